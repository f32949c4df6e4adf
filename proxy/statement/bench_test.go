package statement

import "testing"

var pgbenchSelect = []byte("SELECT abalance FROM pgbench_accounts WHERE aid = 12345;")

func BenchmarkLex(b *testing.B) {
	var l Lexer
	b.ReportAllocs()
	b.SetBytes(int64(len(pgbenchSelect)))
	for b.Loop() {
		l.Lex(pgbenchSelect)
	}
}

func BenchmarkMentions(b *testing.B) {
	var l Lexer
	names := map[string]bool{"patient": true, "result": true}
	watched := func(ident []byte) bool { return names[string(ident)] }
	b.ReportAllocs()
	for b.Loop() {
		if l.Lex(pgbenchSelect).Mentions(watched) {
			b.Fatal("mentions")
		}
	}
}

func BenchmarkCommands(b *testing.B) {
	var l Lexer
	b.ReportAllocs()
	for b.Loop() {
		if len(l.Lex(pgbenchSelect).Commands()) != 1 {
			b.Fatal("commands")
		}
	}
}

func BenchmarkShape(b *testing.B) {
	var l Lexer
	b.ReportAllocs()
	for b.Loop() {
		if len(l.Lex(pgbenchSelect).Shape()) == 0 {
			b.Fatal("no shape")
		}
	}
}
