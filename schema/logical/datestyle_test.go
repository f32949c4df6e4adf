package logical

import (
	"math/rand/v2"
	"testing"
)

// styledTexts mean something else, or nothing, under another DateStyle.
var styledTexts = []string{
	"31/07/2022", "07/31/2022", "31.07.2022", "31-07-2022", "07-31-2022", "1/2/2022", "01/02/0022", "22-07-31", "31-07-22", "07-31-22", "1/2/3", "1.2.3", "1/2/03", "12/13/14", "13/12/14", "00-01-01", "69-01-01", "70-01-01", "99-12-31",
	"1/2/69", "1/2/70", "1/2/00", "1/2/000", "1/2/0000", "1/2/123", "1/2/12345", "31/07/2022 BC", "31/07/22 BC", "07/31/22 BC", "22-07-31 BC", "0/1/2022", "1/0/2022", "32/1/2022", "1/32/2022", "13/13/2022", "29/02/2023", "02/29/2023", "29/02/2024",
	"Jul 31 2022", "31 July 2022", "31 Jul 22", "Jul 31 22", "Jul 31, 2022", "July 31, 2022 10:00 PM", "31-Jul-2022", "31-jul-22", "2022-Jul-31", "22-Jul-31", "2022 Jul 31", "2022 July 3", "Sept 3 2022", "3 sept 2022", "3.Sep.2022", "3/Sep/2022", "40 Jul 2022", "0 Jul 2022", "40-Jul-2022",
	"Jul 2022 31", "Jul 2022 3", "31 Jul", "Jul 31", "31 Jul 123", "Jul 31 123", "31-Jul-0", "0-Jul-31", "31 Juli 2022", "31 juillet 2022", "Feb 30 2022", "30-Feb-2022", "Mon Jul 31 2022", "Sunday, July 31, 2022", "sun 31/07/2022", "Sunday 2022-07-31", "Sun, 31 Jul 2022 10:00:00",
	"Sun Jul 31 10:11:12 2022", "Sun Jul 31 10:11:12.5 2022", "Sun 31 Jul 10:11:12 2022", "Jul 31 10:11:12 2022", "Jul 31 10:11 22", "Jul 31 10:11:12", "Sun Jul 31 10:11:12 2022 BC", "Jul 31 10:11:12 0044 BC", "Sun Jul 31 10:11:12 2022 UTC", "Jul 31 25:00:00 2022",
	"31/07/2022 10:00", "31/07/2022 10:00:59.25", "31/07/2022 10:00 PM", "31/07/2022 10:00PM", "31/07/2022 12:00 AM", "31/07/2022 12:30 am", "31/07/2022 12:59:59.9 pm", "31/07/2022 13:00 PM", "31/07/2022 13:00 AM", "31/07/2022 00:10 PM", "31/07/2022 10:00 PM +02", "31/07/2022 10:00 PM Z", "31/07/2022 PM", "31/07/2022 10:00 AM PM",
	"2022-07-31 10:00 PM", "2022-07-31 10:00 AM", "2022-07-31 13:00 AM", "31/07/2022T10:00", "31/07/2022 1000", "31/07-2022", "31/07/2022/1", "31/07", "07.2022", "31.07.2022.1", "1/2/2022 +02", "1/2/2022+02", "1-2-2022 -02", "31//2022", "/07/2022", "Jul//2022", "Jul-31-2022", "Jul/31/2022",
}

var dateStyles = []string{
	"ISO, MDY", "ISO, DMY", "ISO, YMD", "SQL, MDY", "SQL, DMY", "SQL, YMD", "Postgres, MDY", "Postgres, DMY", "Postgres, YMD", "German, DMY", "German, MDY", "German, YMD",
}

// TestDateStyle: dates are read and shown as the server does under each DateStyle.
func TestDateStyle(t *testing.T) {
	t.Parallel()
	moments := []string{"0044-03-15 10:00:00.25 BC", "0001-01-01 00:00:00", "1985-05-17 23:59:59.999999", "2000-01-01", "12345-06-07 08:09:10", "1800-01-01 12:00", "2022-03-27 02:30", "infinity", "-infinity"}
	for i, style := range dateStyles {
		t.Run(style, func(t *testing.T) {
			zone := []string{"Europe/Paris", "America/Sao_Paulo", "UTC"}[i%3]
			s := newSession(t, map[string]string{"DateStyle": style, "TimeZone": zone})
			if s.settings.DateStyle != style {
				t.Fatalf("DateStyle is %q", s.settings.DateStyle)
			}
			read := 0
			for _, name := range []string{"date", "timestamp", "timestamptz"} {
				typ := mustParse(t, name)
				for _, v := range moments {
					if s.assign(typ, text(v)) != agreed {
						t.Errorf("%s ← %q is refused", typ, v)
					}
				}
				for _, v := range styledTexts {
					if s.assign(typ, text(v)) == agreed {
						read++
					}
				}
			}
			if least := 3 * 55; read < least {
				t.Errorf("%d texts are read, %d is the least", read, least)
			}
		})
	}
}

// TestRandomDates: texts made of what dates are made of are read as the server reads
// them, or refused.
func TestRandomDates(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	number := func() string {
		return pick("1", "2", "03", "7", "12", "13", "28", "31", "32", "00", "0", "69", "70", "99", "123", "0099", "1999", "2022", "12345")
	}
	month := func() string { return pick("Jan", "february", "Sept", "DEC", "may", "Juin") }
	separator := func() string { return pick("-", "/", ".", " ", ", ", "") }
	date := func() string {
		a, b := separator(), separator()
		if random.IntN(4) > 0 {
			b = a
		}
		switch random.IntN(5) {
		case 0:
			return number() + a + month() + b + number()
		case 1:
			return month() + a + number() + b + number()
		case 2:
			return pick("Mon ", "Sunday, ", "tues ", "mon") + date3(number, a, b)
		}
		return date3(number, a, b)
	}
	tail := func() string {
		return pick("", "", " BC", " AD", " 10:11", " 10:11:12.5", " 10:11 PM", " 12:00 am", "T10:11", " 13:00 pm", " +02", " 2022", " 10:11:12 2022", " 10:11:12 22", " Z", " 24:00:00")
	}
	for _, style := range dateStyles[:3] {
		s := newSession(t, map[string]string{"DateStyle": style, "TimeZone": "Europe/Paris"})
		read := 0
		for range 700 {
			v := date() + tail() + tail()
			for _, name := range []string{"date", "timestamp"} {
				if s.assign(mustParse(t, name), text(v)) == agreed {
					read++
				}
			}
		}
		if read < 100 {
			t.Errorf("%s: %d texts are read", style, read)
		}
	}
}

func date3(number func() string, a, b string) string {
	return number() + a + number() + b + number()
}
