package drivers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/lib/pq"
)

// recorder collects what a scenario in Go says, in the same form as the programs in
// other languages print it.
type recorder struct {
	prefix string
	lines  []line
}

// step records what a step gave, or its error.
func (r *recorder) step(name string, out any, err error) {
	if err != nil {
		out = map[string]any{"error": describeError(err), "out": out}
	}
	// Through JSON and back, as what other programs say.
	encoded, bad := json.Marshal(out)
	if bad != nil {
		encoded = fmt.Appendf(nil, "%q", bad.Error())
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var decoded any
	if bad := decoder.Decode(&decoded); bad != nil {
		decoded = bad.Error()
	}
	r.lines = append(r.lines, line{Step: r.prefix + name, Out: decoded})
}

// describeError gives what an application can tell of an error.
func describeError(err error) map[string]any {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return map[string]any{"sqlstate": e.Code, "severity": e.Severity, "message": e.Message, "detail": e.Detail, "hint": e.Hint, "position": e.Position}
	}
	var p *pq.Error
	if errors.As(err, &p) {
		return map[string]any{"sqlstate": string(p.Code), "severity": p.Severity, "message": p.Message, "detail": p.Detail, "hint": p.Hint, "position": p.Position}
	}
	return map[string]any{"message": err.Error()}
}

// show gives a value with its Go type, the same for equal values.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case time.Time:
		return "time " + v.UTC().Format(time.RFC3339Nano)
	case []byte:
		return fmt.Sprintf("bytes %q", v)
	case string:
		return fmt.Sprintf("string %q", v)
	case [16]byte:
		return fmt.Sprintf("uuid %x", v)
	case pgtype.Numeric:
		if text, err := v.MarshalJSON(); err == nil {
			return fmt.Sprintf("numeric %s exp %d", text, v.Exp)
		}
	case map[string]any, []any:
		if text, err := json.Marshal(v); err == nil {
			return fmt.Sprintf("%T %s", v, text)
		}
	}
	return fmt.Sprintf("%T %v", v, v)
}

func showAll(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = show(v)
	}
	return out
}

// fields gives what pgx says of columns; the OID of a table differs between servers.
func fields(descriptions []pgconn.FieldDescription) []string {
	var out []string
	for _, f := range descriptions {
		out = append(out, fmt.Sprintf("%s: table %t attribute %d type %d size %d modifier %d format %d",
			f.Name, f.TableOID != 0, f.TableAttributeNumber, f.DataTypeOID, f.DataTypeSize, f.TypeModifier, f.Format))
	}
	return out
}

// querier is a connection, transaction or pool of pgx.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// rows records all that pgx says of a query's result.
func (r *recorder) rows(ctx context.Context, name string, q querier, sql string, args ...any) {
	rows, err := q.Query(ctx, sql, args...)
	out, err := collect(rows, err)
	r.step(name, out, err)
}

func collect(rows pgx.Rows, err error) (map[string]any, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all [][]string
	described := fields(rows.FieldDescriptions())
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return nil, err
		}
		all = append(all, showAll(values))
	}
	if err := rows.Err(); err != nil {
		return map[string]any{"rows": all}, err
	}
	return map[string]any{"fields": described, "rows": all, "tag": rows.CommandTag().String()}, nil
}

// exec records what pgx says of a statement without rows.
func (r *recorder) exec(ctx context.Context, name string, q querier, sql string, args ...any) {
	tag, err := q.Exec(ctx, sql, args...)
	r.step(name, tag.String(), err)
}
