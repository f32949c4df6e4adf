package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/pgveil/pgveil/testenv/lab"
)

// rowsPerInsert is how many rows one INSERT has.
const rowsPerInsert = 100

// load fills both tables through pgveil, as the importer.
func load(ctx context.Context, s *screen, l *laboratory, port int, made *lab.Lab, patients, results int64) error {
	row := map[string]func(id int64) []any{
		"patient": func(id int64) []any { return made.Patient(id).Row() },
		"result":  func(id int64) []any { return made.Result(id).Row() },
	}
	count := map[string]int64{"patient": patients, "result": results}
	for _, table := range lab.Tables() {
		p := startProgress(s, table.Name+"s", count[table.Name])
		err := loadTable(ctx, l, port, table, count[table.Name], row[table.Name], p.add)
		p.end(err)
		if err != nil {
			return fmt.Errorf("fill %s: %w", table, err)
		}
	}
	return nil
}

// loadTable inserts the rows 1 to count over several connections.
func loadTable(ctx context.Context, l *laboratory, port int, table lab.Table, count int64, row func(int64) []any, done func(int)) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64 // first row that nobody has taken
	next.Store(1)
	for range min(max(runtime.NumCPU(), 2), 8) {
		group.Go(func() error {
			conn, err := l.connect(ctx, importer, port)
			if err != nil {
				return err
			}
			err = insert(ctx, conn, table, count, &next, row, done)
			return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
		})
	}
	return group.Wait()
}

// insert takes rows until there are none. The statement is prepared once by pgx;
// only the last one is shorter.
func insert(ctx context.Context, conn *pgx.Conn, table lab.Table, count int64, next *atomic.Int64, row func(int64) []any, done func(int)) error {
	full := insertSQL(table, rowsPerInsert)
	values := make([]any, 0, rowsPerInsert*len(table.Columns))
	for {
		first := next.Add(rowsPerInsert) - rowsPerInsert
		if first > count {
			return nil
		}
		rows, sql := rowsPerInsert, full
		if left := count - first + 1; left < rowsPerInsert {
			rows = int(left)
			sql = insertSQL(table, rows)
		}
		values = values[:0]
		for id := first; id < first+int64(rows); id++ {
			values = append(values, row(id)...)
		}
		if _, err := conn.Exec(ctx, sql, values...); err != nil {
			return err
		}
		done(rows)
	}
}

// insertSQL is an INSERT of several rows of parameters.
func insertSQL(table lab.Table, rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", table, strings.Join(table.ColumnNames(), ", "))
	for n := range rows * len(table.Columns) {
		switch {
		case n == 0:
			b.WriteString("(")
		case n%len(table.Columns) == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", n+1)
	}
	return b.String() + ")"
}
