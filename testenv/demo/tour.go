package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// fill loads the laboratory through pgveil and counts what arrived.
func (d *demo) fill(ctx context.Context) error {
	d.screen.line("Filling the laboratory through pgveil, as the role %s, which may write and not read:", importer)
	if err := load(ctx, d.screen, d.lab, d.port, d.made, d.patients, d.results); err != nil {
		return err
	}
	conn, err := d.lab.server.Conn(ctx, database)
	if err != nil {
		return err
	}
	var patients, results int64
	err = conn.QueryRow(ctx, "SELECT (SELECT count(*) FROM lab.patient), (SELECT count(*) FROM lab.result)").Scan(&patients, &results)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	if patients != d.patients || results != d.results {
		return fmt.Errorf("the server has %d patients and %d results instead of %d and %d", patients, results, d.patients, d.results)
	}
	return nil
}

// search looks for what was written in all that the server keeps, before anybody
// says a value to the server directly.
func (d *demo) search(ctx context.Context) error {
	if !d.searchable() {
		return nil
	}
	const people = 25
	var needles [][]byte
	for id := int64(1); id <= min(people, d.patients); id++ {
		p := d.made.Patient(id)
		needles = append(needles, []byte(p.NIR), []byte(p.Phone), []byte(p.Address))
		if p.Email.Valid {
			needles = append(needles, []byte(p.Email.V))
		}
	}
	found, err := d.lab.server.FindPlaintext(ctx, database, needles...)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("the server has %d values in clear; the first: %s", len(found), found[0])
	}
	d.screen.step("the server's data files, WAL, log and pg_dump output hold none of %d values looked for", len(needles))
	return nil
}

// tour shows each scene and checks it.
func (d *demo) tour(ctx context.Context) error {
	log := &trail{dir: d.pgveil.auditDir()}
	if _, err := log.read(); err != nil {
		return err
	}
	var role string
	for i := range d.scenes {
		sc := &d.scenes[i]
		if role != sc.role {
			role = sc.role
			d.screen.title(role, "")
			d.screen.label("connect", fmt.Sprintf("psql '%s'", d.lab.url(role, d.port)))
		}
		if err := d.play(ctx, sc, log); err != nil {
			return err
		}
	}
	return d.searchTrail()
}

// play shows one scene: what the user sees, what the server has, what the audit
// log says.
func (d *demo) play(ctx context.Context, sc *scene, log *trail) error {
	d.screen.about(sc.about)
	d.screen.label("query", sc.sql+";")
	seen, err := d.lab.ask(ctx, sc.role, d.port, sc.sql)
	if err != nil {
		return fmt.Errorf("%s: %w", sc.sql, err)
	}
	d.screen.label("sees", d.screen.show(seen, sc.sql)...)
	if err := sc.checkSeen(seen); err != nil {
		return err
	}
	records, err := log.await(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", sc.sql, err)
	}
	if sc.direct {
		raw, err := d.lab.ask(ctx, sc.role, d.serverPort, sc.sql)
		if err != nil {
			return fmt.Errorf("directly: %s: %w", sc.sql, err)
		}
		d.screen.label("server", d.screen.show(raw, sc.sql)...)
		if err := sc.checkDirect(raw, d.lab.tags); err != nil {
			return err
		}
	}
	var lines []string
	for i := range records {
		lines = append(lines, records[i].text()...)
	}
	d.screen.label("audit", lines...)
	return sc.checkTrail(records, d.lab.tags)
}

// searchTrail makes sure that the audit log has none of the values of the tour.
func (d *demo) searchTrail() error {
	files, err := filepath.Glob(filepath.Join(d.pgveil.auditDir(), "*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for i := range d.scenes {
			for _, secret := range d.scenes[i].secrets() {
				if bytes.Contains(data, secret) {
					return fmt.Errorf("the audit log has a value in clear, in %s", filepath.Base(file))
				}
			}
		}
	}
	return nil
}

// refusals shows what cannot be done: with pgveil, and around it.
func (d *demo) refusals(ctx context.Context) error {
	d.screen.title("refused", "")
	for _, r := range []struct {
		about, sql, sqlstate string
		port                 int
	}{
		{"pgveil sends nothing that the server cannot compute on sealed values", "SELECT id, last_name FROM lab.patient ORDER BY last_name", "0A000", d.port},
		{"the server takes nothing in clear, even around pgveil", "UPDATE lab.patient SET last_name = 'Martin' WHERE id = 1", "23514", d.serverPort},
	} {
		a, err := d.lab.ask(ctx, biologist, r.port, r.sql)
		if err != nil {
			return fmt.Errorf("%s: %w", r.sql, err)
		}
		if a.err == nil || a.err.Code != r.sqlstate || r.port == d.port && a.err.Hint == "" {
			return fmt.Errorf("%s: expected an error %s, and got %s", r.sql, r.sqlstate, a.summary())
		}
		// The server quotes the row that it refuses, which is long.
		a.err.Detail = firstRunes(a.err.Detail, 60)
		d.screen.about(r.about)
		d.screen.label("query", r.sql+";")
		d.screen.label("answer", d.screen.show(a, r.sql)...)
	}
	return nil
}

func firstRunes(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n]) + "…"
	}
	return s
}

// verify runs the command that an auditor would.
func (d *demo) verify(ctx context.Context) error {
	said, err := d.pgveil.run(ctx, "audit", "verify")
	if err != nil {
		return err
	}
	d.screen.title("audit", "$ pgveil audit verify")
	d.screen.label("", strings.Split(strings.TrimSpace(said), "\n")...)
	d.screen.blank()
	if d.once {
		d.screen.step("everything shown was checked")
	}
	return nil
}

// stay waits for the end.
func (d *demo) stay(ctx context.Context) error {
	d.screen.step("pgveil is on 127.0.0.1:%d and the server itself on %d until Ctrl-C", d.port, d.serverPort)
	d.screen.label("files", d.janitor.dir+" (schema file, configuration, audit log)")
	select {
	case <-ctx.Done():
		d.screen.blank()
		return errEnded
	case err := <-d.pgveil.ended:
		return fmt.Errorf("pgveil ended by itself: %w", err)
	}
}
