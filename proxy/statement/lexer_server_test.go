package statement

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgveil/pgveil/testenv"
)

// constantPieces make constants when glued together, many of them wrong.
var constantPieces = []string{
	"a", "é", "''", `\\`, `\'`, `\n`, `\t`, `\q`, `\x41`, `\x4`, `\xg`, `\101`, `\7`, `\0`, `\xc3\xa9`, `\xc3`, `\u00e9`, `\u12`,
	`\U0001F600`, `\uD83D\uDE00`, `\uD83D`, `\`, "\n", " ", "--", "/*", "$", "$$", `"`, "'\n'", "' \t\n  '", "'--x\n'", "' -- '\n --\n'", "'/**/\n'", "' '",
}

// TestConstantsAgreeWithServer has a real server read constants, identifiers
// and numbers, and compares what it makes of them.
func TestConstantsAgreeWithServer(t *testing.T) {
	testenv.Require(t, testenv.PartPostgres)
	p, err := testenv.StartPostgres(t.Context(), testenv.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	conn, err := p.Conn(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	query := func(sql string) (*pgconn.Result, error) {
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil {
			return nil, err
		}
		return results[0], nil
	}

	var l Lexer
	rng := rand.New(rand.NewPCG(9, 10))
	same, refused := 0, 0
	for range 1500 {
		var b strings.Builder
		for range rng.IntN(5) {
			b.WriteString(constantPieces[rng.IntN(len(constantPieces))])
		}
		open, end := "'", "'"
		switch rng.IntN(4) {
		case 0:
			open, end = "$q$", "$q$"
		case 1, 2:
			open = "E'"
		}
		sql := "SELECT " + open + b.String() + end
		text := l.Lex([]byte(sql))
		got, err := text.AppendString(nil, 1)
		if text.Odd() || len(text.Tokens()) != 2 {
			continue
		}
		result, serverErr := query(sql)
		switch {
		case err != nil && serverErr != nil:
			refused++
		case err != nil || serverErr != nil:
			t.Fatalf("%q: %v; the server: %v", sql, err, serverErr)
		case string(result.Rows[0][0]) != string(got):
			t.Fatalf("%q: %q; the server: %q", sql, got, result.Rows[0][0])
		default:
			same++
		}
	}
	if same < 300 || refused < 50 {
		t.Errorf("only %d values and %d refusals compared", same, refused)
	}

	for _, ident := range []string{
		"abc", "ABC", "Éà", "a$B", `"A b"`, `"a""B"`, strings.Repeat("X", 70), strings.Repeat("é", 40), `"` + strings.Repeat("aé", 30) + `"`,
		`"` + strings.Repeat(`""`, 80) + `"`, "ǅ", "İ", `"'"`, `"--"`,
	} {
		result, err := query("SELECT 1 AS " + ident)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(l.Lex([]byte(ident)).AppendIdent(nil, 0)), result.FieldDescriptions[0].Name; got != want {
			t.Errorf("%s: %q; the server: %q", ident, got, want)
		}
	}
	for _, number := range []string{"0", "1", "2147483647", "2147483648", "9223372036854775808", "1.0", ".5", "1.", "1e3", "1E-3"} {
		result, err := query("SELECT " + number)
		if err != nil {
			t.Fatal(err)
		}
		kind := l.Lex([]byte(number)).Token(0).Kind
		if oid := result.FieldDescriptions[0].DataTypeOID; (kind == Integer) != (oid == 23) {
			t.Errorf("%s: kind %d, the server: type %d", number, kind, oid)
		}
	}
}
