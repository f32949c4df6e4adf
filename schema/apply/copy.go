package apply

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Values in the clear go to the server by COPY, in binary format: parameters of a statement
// may be in its log.

// clears reports whether a column of the table is to be in the clear.
func (t *Table) clears() bool {
	for _, c := range t.Columns {
		if c.to == nil {
			return true
		}
	}
	return false
}

// passing names the session's own table through which values in the clear pass.
func (t *Table) passing() string {
	return identifier("pg_temp", fmt.Sprintf("pgveil_passing_%d", t.of().oid))
}

// makePassing makes that table.
func (j *job) makePassing(ctx context.Context, t *Table) error {
	if !t.clears() {
		return nil
	}
	var columns strings.Builder
	for i, c := range t.Columns {
		fmt.Fprintf(&columns, ", s%d %s", i, c.newType())
	}
	return pgx.BeginFunc(ctx, j.conn, func(tx pgx.Tx) error {
		return execAll(ctx, tx, []string{
			"DROP TABLE IF EXISTS " + t.passing(),
			fmt.Sprintf("CREATE TEMP TABLE %s (place text, version text%s) ON COMMIT DELETE ROWS", t.passing(), columns.String()),
		})
	})
}

// copy does what write does, with values that may be in the clear.
func (b *batch) copy(ctx context.Context, tx pgx.Tx, t *Table, columns []string) (int, error) {
	var data bytes.Buffer
	data.WriteString("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	field := func(value []byte) {
		size := int32(-1)
		if value != nil {
			size = int32(len(value))
		}
		data.Write(binary.BigEndian.AppendUint32(nil, uint32(size)))
		data.Write(value)
	}
	for i := range b.places {
		data.Write(binary.BigEndian.AppendUint16(nil, uint16(2+len(columns))))
		field([]byte(b.places[i]))
		field([]byte(b.versions[i]))
		for k := range columns {
			field(b.values[k][i])
		}
	}
	data.WriteString("\xff\xff")
	// Within the swap there may be more than one batch.
	if _, err := tx.Exec(ctx, "DELETE FROM "+t.passing()); err != nil {
		return 0, err
	}
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, &data, fmt.Sprintf("COPY %s FROM STDIN (FORMAT binary)", t.passing())); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, t.update(columns, t.passing()+" v"), b.places)
	return int(tag.RowsAffected()), err
}
