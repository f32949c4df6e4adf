package proxy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestPreparedUnderAnotherEncoding: a prepared statement stays the text that it was when client_encoding
// changes, when it is prepared again, too.
func TestPreparedUnderAnotherEncoding(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{})
	conn, reader := s.Connect(t, "biologist"), s.Connect(t, "biologist")
	if _, err := conn.Prepare(ctx, "store", `INSERT INTO lab.patient (id, email, last_name) VALUES ($1, 'é' || $2, 'Lefèvre') RETURNING email`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Prepare(ctx, "find", `SELECT id FROM lab.patient WHERE email = 'éa' AND id > $1`); err != nil {
		t.Fatal(err)
	}
	id := 0
	check := func(what string) {
		t.Helper()
		id++
		if r := conn.PgConn().ExecPrepared(ctx, "store", [][]byte{fmt.Append(nil, id), []byte("a")}, nil, nil).Read(); r.Err != nil {
			t.Errorf("%s: %v", what, r.Err)
		}
		if got := show(t, reader, `SELECT email, last_name FROM lab.patient`); got != "éa|Lefèvre" {
			t.Errorf("%s: stored %q", what, got)
		}
		if r := conn.PgConn().ExecPrepared(ctx, "find", [][]byte{[]byte("0")}, nil, nil).Read(); r.Err != nil || len(r.Rows) != 1 {
			t.Errorf("%s: found %q, %v", what, r.Rows, r.Err)
		}
		show(t, reader, `DELETE FROM lab.patient`)
	}
	check("as prepared")
	for _, encoding := range []string{"LATIN1", "UTF8", "WIN1252"} {
		show(t, conn, `SET client_encoding TO `+encoding)
		check(encoding)
		s.Reload(t, strings.Replace(stack.Schema, "secretary: decrypt, researcher: hide", "secretary: hide, researcher: decrypt", 1))
		check(encoding + ", another schema file")
		s.Reload(t, stack.Schema)
		check(encoding + ", and the first again")
	}
}
