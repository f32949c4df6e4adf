package main

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/pgveil/pgveil/cmd/pgveil/auditreport"
)

// reportSettings are those of commands that report on the log.
var reportSettings = append([]string{"audit.dir", "audit.subject_key", "audit.commands", "schema", "keys", "log"}, auditKeySettings...)

func auditByRoleCommand() *command {
	return &command{
		name:  "audit by-role",
		args:  "[DIR]",
		short: "what each role has opened, of how many patients",
		long: `
Tells for each role how many statements opened or searched sealed values, how many rows
and values that were, of how many patients, what failed, was refused or has no outcome,
while it verifies the log. Statements count at the time at which they began.`,
		examples: []string{"pgveil audit by-role --from 2026-03-01 --to 2026-03-31"},
		settings: reportSettings,
		flags: func(flags *pflag.FlagSet) {
			periodFlags(flags)
			logFlags(flags)
			flags.Bool("json", false, "print JSON")
		},
		most: 1,
		run: func(ctx context.Context, c *call) error {
			return c.report(ctx, false, func(s *auditreport.Summary) error {
				if c.bool("json") {
					return c.printJSON(s.Roles)
				}
				return s.ByRole(c.out)
			})
		},
	}
}

func auditReportCommand() *command {
	return &command{
		name:  "audit report",
		args:  "[DIR]",
		short: "a report for a data-protection officer",
		long: `
Prints who opened how many values of how many patients over time, from where and for
whom, what was refused, what was alerted, what was read by break-glass and has not been
reviewed, and how old the keys are, as text, as JSON, or as one HTML page with charts,
which loads nothing from anywhere. The log is verified
meanwhile: the report says so, and the exit status is 1 if anything is wrong with it.`,
		examples: []string{
			"pgveil audit report --from 2026-03-01 --to 2026-03-31 --format html > march.html",
			"pgveil audit report --format json /mnt/archive/audit",
		},
		settings: reportSettings,
		flags: func(flags *pflag.FlagSet) {
			periodFlags(flags)
			flags.String("format", "text", "`form` of the report: text, json or html")
			logFlags(flags)
		},
		most: 1,
		run: func(ctx context.Context, c *call) error {
			format := c.text("format")
			if format != "text" && format != "json" && format != "html" {
				return usageErrorf(auditReportCommand(), "--format: %q is none of text, json and html", format)
			}
			return c.report(ctx, true, func(s *auditreport.Summary) error {
				switch format {
				case "json":
					return c.printJSON(s)
				case "html":
					return s.HTML(c.out)
				}
				return s.Text(c.out)
			})
		},
	}
}

// report reads the log, with reviews that of commands, too, and prints the summary whatever is wrong
// with them.
func (c *call) report(ctx context.Context, reviews bool, print func(*auditreport.Summary) error) error {
	when, err := c.period()
	if err != nil {
		return err
	}
	log, err := c.openTrail(ctx)
	if err != nil {
		return err
	}
	defer log.close()
	g := auditreport.New(when.from, when.to)
	glasses, found, unreviewed, broken := c.brokenGlasses(log, reviews, g.Statement, g.Record)
	if found == nil {
		return broken
	}
	s := g.Finish(log.options.Dir, found, time.Now())
	s.BreakGlass = glasses.Open()
	if unreviewed != nil {
		s.ReviewsUnknown = unreviewed.Error()
	}
	s.Keys, s.KeysUnknown = c.reportedKeys(ctx, log.store)
	if err := print(s); err != nil {
		return err
	}
	return broken
}

// reportedKeys lists the keys of columns, with why something of them is not known.
func (c *call) reportedKeys(ctx context.Context, store *secrets) (list []auditreport.Key, unknown string) {
	list = []auditreport.Key{}
	if c.config.Schema == "" {
		return list, "no schema file is set, which names the keys"
	}
	file, err := c.readSchema()
	if err != nil {
		return list, err.Error()
	}
	for _, needed := range neededKeys(c.config, file) {
		ring, err := store.Open(ctx, needed.name)
		if err != nil {
			unknown = err.Error()
			continue
		}
		info := ring.Info()
		for _, k := range info.Keys {
			added := k.Added
			if added.IsZero() && len(info.Keys) == 1 {
				added = info.Created
			}
			list = append(list, auditreport.Key{Name: info.Name, ID: k.ID, Type: string(info.Type), Status: k.Status, Seals: k.Seals, Added: added})
		}
	}
	return list, unknown
}
