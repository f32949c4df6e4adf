package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Place is a kind of place where a server keeps what it was given.
type Place string

// The places that FindPlaintext searches.
const (
	PlaceData Place = "data files" // tables, indexes, TOAST, and all else but WAL
	PlaceWAL  Place = "WAL"
	PlaceLog  Place = "server log"
	PlaceDump Place = "pg_dump output"
)

// Finding says where a needle was found. It does not hold the needle.
type Finding struct {
	Needle   int // index in the arguments
	Form     string
	Place    Place
	File     string // relative to the server's directory; empty for a dump
	Relation string // for a file of a relation of the database
	Offset   int64  // in bytes; in WAL, without page headers
}

func (f Finding) String() string {
	s := fmt.Sprintf("needle %d (%s) in the %s", f.Needle, f.Form, f.Place)
	if f.Relation != "" {
		s += ", " + f.Relation
	}
	if f.File != "" {
		s += ", " + f.File
	}
	return fmt.Sprintf("%s at %d", s, f.Offset)
}

// mostFindings bounds what is told of one needle in one place.
const mostFindings = 10

// FindPlaintext looks for each needle in everything that the server keeps of a
// database: its data files after a checkpoint, all WAL since its start, its
// log, and what pg_dump writes. A needle is found as it is, in hex as bytea is
// shown, and in the spelling of COPY, of SQL literals and of JSON. It needs at
// least 4 bytes (a number 9 digits), and rare ones: it must not be part of a catalog.
//
// A value stored by the server in a binary or compressed form is found in the
// dump and in the log only: PostgreSQL compresses values over 2 kB.
//
// It is an error to ask this of a server without LogStatements or with
// DiscardWAL, where a needle could have gone unseen.
func (p *Postgres) FindPlaintext(ctx context.Context, database string, needles ...[]byte) ([]Finding, error) {
	if !p.opts.LogStatements || p.opts.DiscardWAL {
		return nil, errors.New("find plaintext: start the server with LogStatements and without DiscardWAL")
	}
	s, err := newSearcher(needles)
	if err != nil {
		return nil, err
	}
	conn, err := p.Conn(ctx, database)
	if err != nil {
		return nil, err
	}
	found, err := p.findPlaintext(ctx, conn, database, s)
	return found, errors.Join(err, conn.Close(ctx))
}

// NoPlaintext fails the test for each place where [Postgres.FindPlaintext] finds a needle,
// and when it cannot look.
func (p *Postgres) NoPlaintext(t testing.TB, database string, needles ...string) {
	t.Helper()
	raw := make([][]byte, len(needles))
	for i, needle := range needles {
		raw[i] = []byte(needle)
	}
	found, err := p.FindPlaintext(context.Background(), database, raw...)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Errorf("%q is in the clear at the server: %v", needles[f.Needle], f)
	}
}

func (p *Postgres) findPlaintext(ctx context.Context, conn *pgx.Conn, database string, s *searcher) ([]Finding, error) {
	var pageSize string
	if err := conn.QueryRow(ctx, "SELECT setting FROM pg_settings WHERE name = 'wal_block_size'").Scan(&pageSize); err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return nil, err
	}
	var hits findings
	for _, search := range []func() error{
		func() error { return p.searchData(ctx, s, &hits) },
		func() error { return p.searchWAL(pageSize, s, &hits) },
		func() error { return hits.searchFile(s, PlaceLog, p.LogFile(), "server.log") },
		func() error { return p.searchDump(ctx, database, s, &hits) },
	} {
		if err := search(); err != nil {
			return nil, err
		}
	}
	return hits.all, hits.nameRelations(ctx, conn)
}

// findings collects what the searches report.
type findings struct {
	all   []Finding
	count map[Finding]int // by needle and place alone
}

func (h *findings) add(f Finding) {
	if h.count == nil {
		h.count = make(map[Finding]int)
	}
	key := Finding{Needle: f.Needle, Place: f.Place}
	if h.count[key]++; h.count[key] <= mostFindings {
		h.all = append(h.all, f)
	}
}

func (h *findings) reporter(place Place, file func(offset int64) string) func(pattern, int64) {
	return func(p pattern, offset int64) {
		h.add(Finding{Needle: p.needle, Form: p.form, Place: place, File: file(offset), Offset: offset})
	}
}

func (h *findings) searchFile(s *searcher, place Place, path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.scan(f, h.reporter(place, func(int64) string { return name }))
}

// searchData searches every file of the data directory but WAL. The server is
// running, so files may go while it looks.
func (p *Postgres) searchData(ctx context.Context, s *searcher, hits *findings) error {
	wal := filepath.Join(p.dataDir(), "pg_wal")
	return filepath.WalkDir(p.dataDir(), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case path == wal:
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return ctx.Err()
		}
		name, err := filepath.Rel(p.dir, path)
		if err != nil {
			return err
		}
		err = hits.searchFile(s, PlaceData, path, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func (p *Postgres) searchWAL(pageSize string, s *searcher, hits *findings) error {
	size, err := strconv.Atoi(pageSize)
	if err != nil {
		return err
	}
	dir := filepath.Join(p.dataDir(), "pg_wal")
	if _, err := os.Stat(filepath.Join(dir, p.firstWAL)); err != nil {
		return fmt.Errorf("the server's first WAL segment is gone: %w", err)
	}
	r, err := newWALReader(dir, size)
	if err != nil {
		return err
	}
	defer r.Close()
	return s.scan(r, hits.reporter(PlaceWAL, func(offset int64) string {
		return filepath.Join("data", "pg_wal", filepath.Base(r.locate(offset)))
	}))
}

func (p *Postgres) searchDump(ctx context.Context, database string, s *searcher, hits *findings) error {
	cmd := exec.CommandContext(ctx, p.in.program("pg_dump"), "--no-password")
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "PGHOST="+p.dir, "PGPORT="+strconv.Itoa(p.port), "PGUSER="+SuperUser,
		"PGDATABASE="+database, "PGSSLMODE=disable")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = s.scan(out, hits.reporter(PlaceDump, func(int64) string { return "" }))
	// After an error of the search, the program must not block on its output.
	_, _ = io.Copy(io.Discard, out)
	if waited := cmd.Wait(); waited != nil {
		err = errors.Join(err, fmt.Errorf("pg_dump: %w\n%s", waited, said.String()))
	}
	return err
}

// relationFile is the path of a main fork or another: data/base/16384/16391_vm.
var relationFile = regexp.MustCompile(`^data/base/(\d+)/(\d+)(?:_[a-z]+)?(?:\.\d+)?$`)

// nameRelations finds the relations of this database that the files belong to.
func (h *findings) nameRelations(ctx context.Context, conn *pgx.Conn) error {
	for i := range h.all {
		m := relationFile.FindStringSubmatch(h.all[i].File)
		if m == nil {
			continue
		}
		const query = `SELECT coalesce((SELECT pg_filenode_relation(0, $2::oid)::regclass::text
			FROM pg_database WHERE datname = current_database() AND oid = $1::oid), '')`
		var oids [2]uint32
		for k := range oids {
			n, err := strconv.ParseUint(m[k+1], 10, 32)
			if err != nil {
				return err
			}
			oids[k] = uint32(n)
		}
		if err := conn.QueryRow(ctx, query, oids[0], oids[1]).Scan(&h.all[i].Relation); err != nil {
			return err
		}
	}
	return nil
}
