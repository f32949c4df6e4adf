package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// TableDDL returns the statements that make the table of a copy, and let user add to it, and do no more. Its
// owner may read it, and delete what is older than is to be kept. user is quoted already.
func TableDDL(user string) string {
	return strings.ReplaceAll(`CREATE SCHEMA IF NOT EXISTS pgveil;
CREATE TABLE IF NOT EXISTS pgveil.audit_record (
    chain text NOT NULL,
    seq bigint NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE OR REPLACE VIEW pgveil.audit_log AS
    SELECT chain, seq, (record ->> 'time')::timestamptz AS time, record ->> 'kind' AS kind,
        record ->> 'role' AS role, record ->> 'client' AS client, record ->> 'statement' AS statement, record
    FROM (SELECT chain, seq, line::jsonb AS record FROM pgveil.audit_record) AS records;
REVOKE ALL ON pgveil.audit_record, pgveil.audit_log FROM PUBLIC;
GRANT USAGE ON SCHEMA pgveil TO USER;
GRANT INSERT ON pgveil.audit_record TO USER;
`, "USER", user)
}

// insertLines takes a right to insert and no other: for that ON CONFLICT names no columns.
const insertLines = `INSERT INTO pgveil.audit_record (chain, seq, line)
	SELECT $1::text, r.seq, r.line FROM ROWS FROM (pg_catalog.unnest($2::bigint[]), pg_catalog.unnest($3::text[])) AS r (seq, line) ON CONFLICT DO NOTHING`

// Bounds of what a table copy does at once, and of the time that it may take.
const (
	maxTableLines = 1000
	maxTableBytes = 1 << 20
	tableTimeout  = 30 * time.Second
	// tableIdle is how long its connection waits for the next lines. DROP DATABASE and CREATE DATABASE … TEMPLATE wait
	// for 5 s until others have left. Source: PostgreSQL's CountOtherDBBackends.
	tableIdle = 250 * time.Millisecond
)

// tableCopy inserts each record into a table. A record that is there already stays as it is, so that what was sent when
// a connection broke can be sent again.
type tableCopy struct {
	name    string
	connect func(context.Context) (*pgx.Conn, error)
	chain   string // of the records at hand: a segment's first tells

	mu   sync.Mutex
	conn *pgx.Conn // nil: none is open
	idle *time.Timer
}

// NewTableCopy copies to the table pgveil.audit_record (see TableDDL) of the database that connect connects to.
func NewTableCopy(name string, connect func(context.Context) (*pgx.Conn, error)) Copy {
	return &tableCopy{name: name, connect: connect}
}

func (t *tableCopy) Name() string { return t.name }

func (t *tableCopy) Write(lines []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), tableTimeout)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	err := t.open(ctx)
	for err == nil && len(lines) > 0 {
		lines, err = t.insert(ctx, lines)
	}
	if err != nil {
		t.closeConn()
		return err
	}
	t.idle.Reset(tableIdle)
	return nil
}

// open makes a connection if there is none. t.mu is held.
func (t *tableCopy) open(ctx context.Context) error {
	if t.conn != nil {
		t.idle.Stop()
		return nil
	}
	conn, err := t.connect(ctx)
	if err != nil {
		return err
	}
	t.conn = conn
	t.idle = time.AfterFunc(time.Hour, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.conn == conn {
			t.closeConn()
		}
	})
	return nil
}

// tableLine is what of a record the table has in columns.
type tableLine struct {
	Seq   int64  `json:"seq"`
	Kind  string `json:"kind"`
	Chain string `json:"chain"`
}

// insert inserts some of the lines, all of one chain, and gives the others.
func (t *tableCopy) insert(ctx context.Context, lines []byte) (rest []byte, err error) {
	var numbers []int64
	var texts []string
	for taken := 0; len(lines) > 0 && len(numbers) < maxTableLines && taken < maxTableBytes; {
		line, next, _ := bytes.Cut(lines, []byte{'\n'})
		var of tableLine
		if err := json.Unmarshal(line, &of); err != nil {
			return lines, fmt.Errorf("a record cannot be read: %w", err)
		}
		if of.Kind == kindSegment && of.Chain != t.chain {
			if len(numbers) > 0 {
				break
			}
			t.chain = of.Chain
		}
		numbers, texts = append(numbers, of.Seq), append(texts, string(line))
		lines, taken = next, taken+len(line)
	}
	if t.chain == "" {
		return lines, errors.New("the chain of the records is not known")
	}
	_, err = t.conn.Exec(ctx, insertLines, pgx.QueryExecModeExec, t.chain, numbers, texts)
	return lines, err
}

// closeConn closes the connection. t.mu is held.
func (t *tableCopy) closeConn() {
	if t.conn == nil {
		return
	}
	t.idle.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = t.conn.Close(ctx)
	t.conn = nil
}

func (t *tableCopy) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeConn()
	return nil
}
