package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/pgveil/pgveil/cmd/pgveil/auditreport"
	"github.com/pgveil/pgveil/keys"
	"github.com/pgveil/pgveil/proxy"
	"github.com/pgveil/pgveil/proxy/audit"
	"github.com/pgveil/pgveil/schema"
)

func auditWhoSawCommand() *command {
	return &command{
		name:  "audit who-saw",
		args:  "--patient [DIR]",
		short: "who has seen values of a patient",
		long: `
Tells which statements have opened values of a patient, or have searched by the
patient's identifier. The identifier is read from standard input, or asked for at a
terminal, which does not show it; it is never an argument, and stands in no log. The
log is verified meanwhile: the exit status is 1 if anything is wrong with it.

Only tables whose subject the schema file names are tagged. Statements that have opened
values of somebody without a column that tells of whom, and those that have no outcome,
may concern the patient too: they are counted at the end, and listed with --unnamed.`,
		examples: []string{
			"pgveil audit who-saw --patient < identifier",
			"pgveil audit who-saw --patient --from 2026-01-01 --json /mnt/archive/audit",
		},
		settings: reportSettings,
		flags: func(flags *pflag.FlagSet) {
			flags.Bool("patient", false, "read the patient's identifier from standard input")
			flags.Bool("unnamed", false, "list statements that may concern any patient, too")
			periodFlags(flags)
			logFlags(flags)
			flags.Bool("json", false, "print JSON")
		},
		most: 1,
		run:  auditWhoSaw,
	}
}

// sight is a statement as who-saw prints it.
type sight struct {
	Time        time.Time `json:"time"`
	Seen        string    `json:"seen"` // opened, searched, opened and searched, unnamed, unfinished
	Role        string    `json:"role"`
	SessionUser string    `json:"session_user"`
	EndUser     string    `json:"claimed_end_user,omitempty"`
	TLS         string    `json:"tls,omitempty"`
	Client      string    `json:"client"`
	Application string    `json:"application,omitempty"`
	Database    string    `json:"database"`
	Columns     []string  `json:"columns"`
	Statement   string    `json:"statement"`
	Rows        int64     `json:"rows"`
	Ended       string    `json:"ended,omitempty"`
	Seq         uint64    `json:"seq"`
	File        string    `json:"file"`
	Line        int       `json:"line"`
}

// sights is what who-saw has found.
type sights struct {
	Statements []sight `json:"statements"`
	Unnamed    int     `json:"unnamed"`    // statements that have opened values of somebody
	Unfinished int     `json:"unfinished"` // statements that may have
	Problems   int     `json:"problems"`
}

func auditWhoSaw(ctx context.Context, c *call) error {
	if !c.bool("patient") {
		return usageErrorf(auditWhoSawCommand(), "--patient is missing; the identifier itself is read from standard input")
	}
	when, err := c.period()
	if err != nil {
		return err
	}
	file, err := c.readSchema()
	if err != nil {
		return err
	}
	if !hasSubjects(file) {
		return fmt.Errorf("no table of %s has a subject", c.config.Schema)
	}
	log, err := c.openTrail(ctx)
	if err != nil {
		return err
	}
	defer log.close()
	rings, err := openKeys(ctx, log.store, []neededKey{{c.config.Audit.SubjectKey, keys.TypeMAC}})
	if err != nil {
		return err
	}
	identifier, err := c.readIdentifier()
	if err != nil {
		return err
	}
	tags, err := tagsOf(rings[c.config.Audit.SubjectKey], file, identifier)
	if err != nil {
		return err
	}
	found := &sights{Statements: []sight{}}
	report, err := log.read(func(s *audit.Statement) {
		if when.has(s.Time) {
			found.take(s, tags, c.bool("unnamed"))
		}
	})
	if err != nil {
		return err
	}
	found.Problems = len(report.Problems) + report.MoreProblems
	if c.bool("json") {
		err = c.printJSON(found)
	} else {
		err = found.print(c.out)
	}
	if err == nil && !report.OK() {
		err = log.broken(report)
	}
	return err
}

// take looks at one statement.
func (f *sights) take(s *audit.Statement, tags map[string]bool, all bool) {
	has := func(list []string) bool {
		for _, tag := range list {
			if tags[tag] {
				return true
			}
		}
		return false
	}
	opened, searched := has(s.Tags()), has(s.Searched)
	seen := ""
	switch {
	case opened && searched:
		seen = "opened and searched"
	case opened:
		seen = "opened"
	case searched:
		seen = "searched"
	}
	// What a statement that was searched by this patient shows is the patient's, as far
	// as can be told: it is listed, and not counted again.
	switch {
	case seen != "":
	case s.Outcome == nil && s.Reads:
		f.Unfinished++
		seen = "unfinished"
	case s.Outcome != nil && s.Outcome.Unnamed > 0:
		f.Unnamed++
		seen = "unnamed"
	}
	if seen == "" || !opened && !searched && !all {
		return
	}
	is := sight{
		Time: s.Time, Seen: seen, Role: s.Role, SessionUser: s.SessionUser, EndUser: s.EndUser, TLS: s.TLS, Client: s.Client,
		Application: s.Application, Database: s.Database, Statement: s.Recorded.Statement, Seq: s.Seq, File: s.File, Line: s.Line, Columns: []string{},
	}
	for _, column := range s.Columns {
		is.Columns = append(is.Columns, column.Column+" ("+column.How+", "+column.Verdict+")")
	}
	if s.Outcome != nil {
		is.Rows, is.Ended = s.Outcome.Rows, s.Outcome.Ended
	}
	f.Statements = append(f.Statements, is)
}

func (f *sights) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(f.Statements) > 0 {
		fmt.Fprintln(w, "TIME\tSEEN\tROLE\tACTING FOR\tCLIENT\tAPPLICATION\tROWS\tCOLUMNS\tRECORD")
	}
	for _, s := range f.Statements {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s:%d\n", s.Time.UTC().Format(time.RFC3339), s.Seen, auditreport.Printable(s.Role), auditreport.Printable(orDash(s.EndUser)), auditreport.Printable(s.Client),
			auditreport.Printable(orDash(s.Application)), s.Rows, auditreport.Printable(strings.Join(s.Columns, ", ")), s.File, s.Line)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s that opened values of this patient or searched by the identifier\n", count(len(f.Statements), "statement"))
	if f.Unnamed > 0 {
		fmt.Fprintf(out, "%s opened values of somebody without telling of whom\n", count(f.Unnamed, "other statement"))
	}
	if f.Unfinished > 0 {
		fmt.Fprintf(out, "%s without an outcome may have opened values of anybody\n", count(f.Unfinished, "other statement"))
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// tagsOf gives the tags that an identifier may have in the log: by every key, and by every
// column that tells subjects and can hold it.
func tagsOf(ring *keys.Keyring, file *schema.File, identifier string) (map[string]bool, error) {
	macs, err := ring.EachMAC()
	if err != nil {
		return nil, err
	}
	tags := make(map[string]bool)
	var unfit error
	for _, mac := range macs {
		key, err := audit.NewTagKey(mac)
		if err != nil {
			return nil, err
		}
		for _, database := range file.Databases {
			for _, column := range database.Subjects() {
				tag, err := proxy.SubjectTag(key, column, identifier)
				if err != nil {
					unfit = fmt.Errorf("what was read is no value of column %s of type %s", column.QualifiedName(), column.Type)
					continue
				}
				tags[tag.String()] = true
			}
		}
	}
	if len(tags) == 0 {
		return nil, unfit
	}
	return tags, nil
}

// maxIdentifier bounds what is read, in bytes.
const maxIdentifier = 4 << 10

// readIdentifier reads one line. At a terminal it asks for it, and shows nothing of it.
func (c *call) readIdentifier() (string, error) {
	var text string
	if f := c.in; term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(c.err, "identifier of the patient: ")
		data, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(c.err)
		if err != nil {
			return "", fmt.Errorf("the identifier cannot be read: %w", err)
		}
		text = string(data)
	} else {
		line, err := bufio.NewReader(io.LimitReader(c.in, maxIdentifier)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("the identifier cannot be read: %w", err)
		}
		text = line
	}
	if text = strings.Trim(text, "\r\n"); text == "" {
		return "", fmt.Errorf("no identifier was given on standard input")
	}
	return text, nil
}
