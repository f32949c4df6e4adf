package pipeline

import (
	"fmt"
	"strings"
	"testing"
)

// run plays a script: "Q" pushes a Query, "<D" receives DataRow, and so on. It
// returns what each received message answered.
func run(t *testing.T, script string) (answers []string, dropped []string, q *Queue[string]) {
	t.Helper()
	kinds := map[string]Kind{"Q": Query, "P": Parse, "B": Bind, "D": Describe, "E": Execute, "C": Close, "S": Sync, "F": FunctionCall}
	q = &Queue[string]{}
	q.Dropped = func(e *Entry[string]) { dropped = append(dropped, e.Data) }
	count := 0
	for _, word := range strings.Fields(script) {
		switch {
		case word == "copyend":
			q.CopyEnd()
		case word == "fail":
			q.Fail()
		case word[0] == '<':
			status := byte(0)
			if len(word) == 3 {
				status = word[2]
			}
			step, err := q.Receive(word[1], status)
			switch {
			case err != nil:
				answers = append(answers, "error")
			case step.Entry == nil:
				answers = append(answers, "async")
			default:
				a := step.Entry.Data
				if step.Done {
					a += "."
				}
				if step.Mute {
					a += "~"
				}
				answers = append(answers, a)
			}
		default:
			own := strings.HasSuffix(word, "*")
			word = strings.TrimSuffix(word, "*")
			count++
			q.Push(Entry[string]{Kind: kinds[word], Own: own, Data: fmt.Sprintf("%s%d", word, count)})
		}
	}
	return answers, dropped, q
}

func TestReceive(t *testing.T) {
	for _, c := range []struct{ name, script, answers, dropped string }{
		{"simple query", "Q <T <D <D <C <ZI", "Q1 Q1 Q1 Q1 Q1.", ""},
		{"several statements", "Q <T <D <C <C <I <ZI", "Q1 Q1 Q1 Q1 Q1 Q1.", ""},
		{"notices belong to nothing", "<N Q <S <C <A <ZT", "async async Q1 async Q1.", ""},
		{"extended", "P B D E S <1 <2 <T <D <C <ZI", "P1. B2. D3. E4 E4. S5.", ""},
		{"describe statement", "P D S <1 <t <n <ZI", "P1. D2 D2. S3.", ""},
		{"suspended portal", "P B E E S <1 <2 <D <s <D <C <ZI", "P1. B2. E3 E3. E4 E4. S5.", ""},
		{"an error skips to Sync", "P B E S Q <1 <E <ZE <E <ZE", "P1. B2. S4. Q5 Q5.", "E3"},
		{"what is sent while skipping is dropped", "P <E B E Q S <ZI Q <C <ZI", "P1. S5. Q6 Q6.", "B2 E3 Q4"},
		{"an error at Sync does not skip", "P B E S <1 <2 <C <E <ZI", "P1. B2. E3. S4 S4.", ""},
		{"an error in a simple query does not skip", "Q Q <E <ZI <C <ZI", "Q1 Q1. Q2 Q2.", ""},
		{"function call", "F <V <ZI F <E <ZI", "F1 F1. F2 F2.", ""},
		{"COPY in, simple", "Q <G copyend <C <ZI", "Q1 Q1 Q1.", ""},
		{"COPY in, extended: the first Sync is ignored", "P B E S <1 <2 <G copyend S <C <ZI", "P1. B2. E3 E3. S5.", "S4"},
		{"COPY in, all sent at once", "P B E S copyend S Q <1 <2 <G <C <ZI <T <D <C <ZI", "P1. B2. E3 E3. S5. Q6 Q6 Q6 Q6.", "S4"},
		{"COPY in, simple, Syncs within", "Q S S copyend S <G <C <ZI <ZI", "Q1 Q1 Q1. S4.", "S2 S3"},
		{"two COPY in, simple", "Q copyend S copyend S <G <C <G <C <ZI <ZI", "Q1 Q1 Q1 Q1 Q1. S3.", "S2"},
		{"COPY data without COPY", "Q copyend S <E <ZI <ZI", "Q1 Q1. S2.", ""},
		// The Sync in the data was ignored, or it was not: both must do.
		{"COPY in, extended, fails", "P B E S <1 <2 <G copyend S <E <ZI Q <T <C <ZI", "P1. B2. E3 E3. S4. Q6 Q6 Q6.", "S5"},
		{"COPY in, extended, fails, both answered", "P B E S <1 <2 <G copyend S <E <ZI <ZI Q <E <ZI", "P1. B2. E3 E3. S4. S5. Q6 Q6.", ""},
		{"COPY in, extended, fails, two Syncs within", "B E S S <2 <G copyend S B Q <E <ZI <2 <I <ZI", "B1. E2 E2. S3. B6. Q7 Q7.", "S4 S5"},
		{"COPY in, extended, fails, error next", "B E S <2 <G copyend S <E <ZI Q <E <ZI", "B1. E2 E2. S3. Q5 Q5.", "S4"},
		{"COPY in, extended, fails, Syncs alone", "B E S <2 <G copyend S S <E <ZI <ZI P S <1 <ZI", "B1. E2 E2. S3. S4. P6. S7.", "S5"},
		{"COPY in, extended, fails, who skips cannot be told", "B E S <2 <G copyend Q <E S <ZI <T", "B1. E2 E2. error error", "S3"},
		{"COPY out, extended", "B E S <2 <H <d <d <c <C <ZI", "B1. E2 E2 E2 E2 E2. S3.", ""},
		{"the session ends", "<E", "async", ""},
		{"an answer to nothing", "<D", "error", ""},
		{"a wrong answer", "P <D", "error", ""},
		{"failed for the client only, simple", "Q <D fail <D <C <D <C <ZT Q <C <ZT", "Q1 Q1~ Q1~ Q1~ Q1~ Q1. Q2 Q2.", ""},
		{"failed for the client only, a Query in the sequence", "E Q S <D fail <C <T <D <C <ZI <ZI", "E1 E1.~ Q2~ Q2~ Q2~ Q2.~ S3.", ""},
		{"failed for the client only, extended", "E E S E S <D fail <D <C <D <C <ZT <C <ZT", "E1 E1~ E1.~ E2~ E2.~ S3. E4. S5.", ""},
		{"own messages are never muted", "E P* S <D fail <C <1 <ZI", "E1 E1.~ P2. S3.", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers, dropped, _ := run(t, c.script)
			if got := strings.Join(answers, " "); got != c.answers {
				t.Errorf("answers\n%s, want\n%s", got, c.answers)
			}
			if got := strings.Join(dropped, " "); got != c.dropped {
				t.Errorf("dropped %q, want %q", got, c.dropped)
			}
		})
	}
}

func TestState(t *testing.T) {
	for _, c := range []struct {
		script          string
		n               int
		inSeq, skip, mu bool
		status          byte
	}{
		{"", 0, false, false, false, 'I'},
		{"P <1", 0, true, false, false, 'I'},
		{"P <1 S", 1, false, false, false, 'I'},
		{"P <E", 0, true, true, false, 'I'},
		{"P Q", 2, true, false, false, 'I'},
		{"P Q <E", 0, true, true, false, 'I'},
		{"Q", 1, false, false, false, 'I'},
		{"P <E B", 0, true, true, false, 'I'},
		{"P <E S", 1, false, false, false, 'I'},
		{"P <E S <ZE", 0, false, false, false, 'E'},
		{"E <D fail", 1, true, false, true, 'I'},
		{"E <D fail S", 2, false, false, false, 'I'},
		{"Q <D fail", 1, false, false, false, 'I'},
		{"Q <D fail <C <ZT", 0, false, false, false, 'T'},
	} {
		_, _, q := run(t, c.script)
		if q.Len() != c.n || q.InSequence() != c.inSeq || q.Skipping() != c.skip || q.Muted() != c.mu || q.Status() != c.status {
			t.Errorf("%q: n=%d inSequence=%v skipping=%v muted=%v status=%c", c.script, q.Len(), q.InSequence(), q.Skipping(), q.Muted(), q.Status())
		}
	}
}

func TestCloseDropsTheRest(t *testing.T) {
	_, dropped, q := run(t, "P B E S <1")
	if len(dropped) != 0 {
		t.Fatalf("dropped %v", dropped)
	}
	var rest []string
	q.Dropped = func(e *Entry[string]) { rest = append(rest, e.Data) }
	q.Close()
	if got := strings.Join(rest, " "); got != "B2 E3 S4" {
		t.Errorf("dropped %q", got)
	}
}

// FuzzQueue: whatever the order of messages, the queue neither panics nor loses
// an entry: each is answered or dropped exactly once.
func FuzzQueue(f *testing.F) {
	f.Add([]byte("PBES12CZ"))
	f.Fuzz(func(t *testing.T, script []byte) {
		var q Queue[int]
		seen := map[int]int{}
		q.Dropped = func(e *Entry[int]) { seen[e.Data]++ }
		pushed := 0
		for _, b := range script {
			switch {
			case b < 8:
				pushed++
				q.Push(Entry[int]{Kind: Kind(b + 1), Data: pushed})
			case b == 8:
				q.CopyEnd()
			case b == 9:
				q.Fail()
			default:
				step, err := q.Receive(b, 'I')
				if err == nil && step.Done {
					seen[step.Entry.Data]++
				}
			}
		}
		q.Close()
		for i := 1; i <= pushed; i++ {
			if seen[i] != 1 {
				t.Fatalf("entry %d was answered or dropped %d times", i, seen[i])
			}
		}
	})
}

// TestInSequence: what the client has begun a Sync ends; what the proxy alone has begun, a
// Query ends, too.
func TestInSequence(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []Entry[int]
		want    bool
	}{
		{"nothing", nil, false},
		{"the client's", []Entry[int]{{Kind: Parse}}, true},
		{"the client's, and a Query", []Entry[int]{{Kind: Parse}, {Kind: Query}}, true},
		{"the client's, and a Sync", []Entry[int]{{Kind: Parse}, {Kind: Sync}}, false},
		{"a Query", []Entry[int]{{Kind: Query}}, false},
		{"the proxy's", []Entry[int]{{Kind: Parse, Own: true}}, true},
		{"the proxy's, and a Query", []Entry[int]{{Kind: Parse, Own: true}, {Kind: Execute, Own: true}, {Kind: Query}}, false},
		{"the proxy's, the client's, and a Query", []Entry[int]{{Kind: Parse, Own: true}, {Kind: Bind}, {Kind: Query}}, true},
		{"the client's, the proxy's, and a Query", []Entry[int]{{Kind: Parse}, {Kind: Describe, Own: true}, {Kind: Query}}, true},
	} {
		var q Queue[int]
		for _, e := range test.entries {
			q.Push(e)
		}
		if got := q.InSequence(); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
		if got := q.ClientInSequence(); got != (test.want && test.name != "the proxy's") {
			t.Errorf("%s, of the client's: %v", test.name, got)
		}
	}
}
