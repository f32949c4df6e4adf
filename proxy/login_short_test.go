package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestNoIdleLogin: pgveil keeps no connection of its own open, so that the described
// database can be a template, and be dropped.
func TestNoIdleLogin(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{})
	conn := s.Connect(t, "biologist")
	show(t, conn, `SELECT nir FROM lab.patient`)
	if err := conn.Close(ctx); err != nil {
		t.Fatal(err)
	}
	// The catalog is compared every 500 ms here: only a moment in between may fail.
	retry := func(sql string) {
		t.Helper()
		var err error
		for range 20 {
			if err = s.Postgres.Exec(ctx, sql); err == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%s: %v", sql, err)
	}
	retry(`CREATE DATABASE copied TEMPLATE ` + stack.Database)
	retry(`DROP DATABASE ` + stack.Database)
}

// TestFastPath: large objects work through FunctionCall, functions of users do not.
func TestFastPath(t *testing.T) {
	ctx := context.Background()
	s := stack.Start(t, stack.Options{})
	if err := s.Postgres.ExecIn(ctx, stack.Database, `CREATE FUNCTION public.one() RETURNS int LANGUAGE sql AS 'SELECT 1'`); err != nil {
		t.Fatal(err)
	}
	conn := s.Connect(t, "biologist")
	oid := show(t, conn, `SELECT oid::int FROM pg_proc WHERE proname = 'one'`)
	c := dialWire(t, s.DSN("biologist"))
	number := func(s string) (n uint32) {
		for _, digit := range s {
			n = n*10 + uint32(digit-'0')
		}
		return n
	}
	// lo_creat(-1)
	call := &pgproto3.FunctionCall{Function: 957, ArgFormatCodes: []uint16{0}, Arguments: [][]byte{[]byte("-1")}}
	if got := c.exchange(query("BEGIN"), call, query("ROLLBACK")); got !=
		"CommandComplete BEGIN\nReadyForQuery T\nFunctionCallResponse\nReadyForQuery T\nCommandComplete ROLLBACK\nReadyForQuery I" {
		t.Errorf("lo_creat:\n%s", got)
	}
	got := c.exchange(&pgproto3.FunctionCall{Function: number(oid)}, query("SELECT 1"))
	want := "ErrorResponse ERROR 0A000 \"a fast-path call of function " + oid
	if len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("a user's function:\n%s", got)
	}
}
