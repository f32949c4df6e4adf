package logical

import (
	"strings"
	"testing"
)

// isoTexts are dates and timestamps that pgveil must read, or refuse with the server's error.
var isoTexts = []string{
	"2022-07-31", "2022-7-1", "20220731", "2022/07/31", "2022.07.31", "099-01-01", "00099-01-01", "0001-01-01", "9999-12-31", "10000-01-01", " 2022-07-31 ", "\t2022-07-31\n",
	"2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "2022-04-31", "2022-13-01", "2022-00-01", "2022-01-00", "2022-01-32", "2022-13-32", "0000-01-01", "0000-13-01", "00000-01-01",
	"2022-07-31 BC", "2022-07-31BC", "2022-07-31 bc", "2022-07-31 AD", "0001-01-01 BC", "0004-02-29 BC", "0005-02-29 BC", "0000-01-01 BC", "4714-11-24 BC", "4714-11-23 BC", "4713-01-01 BC", "10000-01-01 BC",
	"2022-07-31 23:59", "2022-07-31 23:59:59", "2022-07-31 1:2:3", "2022-07-31 1:2", "2022-07-31 00:00:00", "2022-07-31 24:00:00", "2022-07-31 24:00", "2022-07-31 24:00:01", "2022-07-31 24:01", "2022-07-31 25:00", "2022-07-31 99:99:99",
	"2022-07-31 23:60", "2022-07-31 23:59:60", "2022-07-31 23:59:61", "2022-07-31 23:59:60.5", "2022-07-31 23:58:60.5", "2022-07-31 24:00:00.0000001", "2022-07-31 24:00:00.000001",
	"2022-07-31T23:59:59", "2022-07-31t23:59:59", "2022-07-31 T 23:59:59", "2022-07-31T235959", "2022-07-31T2359", "20220731T235959", "20220731T235959.5", "20220731T2359Z", "2022-07-31T235959+02",
	"2022-07-31 23:59:59.5", "2022-07-31 23:59:59.123456", "2022-07-31 23:59:59.1234565", "2022-07-31 23:59:59.1234564999", "2022-07-31 23:59:59.9999995", "2022-07-31 23:59:59.9999994", "2022-07-31 23:59:59.", "2022-07-31 23:59:59.000000",
	"2022-07-31 10:00:00.0000005", "2022-07-31 10:00:00.0000015", "2022-07-31 10:00:00.0000025", "2022-07-31 10:00:00.12345678901234567890", "2022-07-31 10:00:00.1", "2022-07-31 10:00:00.10",
	"1999-12-31 23:59:59.5", "1999-12-31 23:59:58.5", "2000-01-01 00:00:00.5", "1999-12-31 23:59:59.4999995", "1969-12-31 23:59:59.123456", "2022-07-31 00:00:00.4999995",
	"2022-07-31 23:59:59+02", "2022-07-31 23:59:59 +02", "2022-07-31 23:59:59-02", "2022-07-31 23:59:59 -02:30", "2022-07-31 23:59:59+02:30:15", "2022-07-31 23:59:59+0230", "2022-07-31 23:59:59+230", "2022-07-31 23:59:59+2", "2022-07-31 23:59:59+2:3",
	"2022-07-31 23:59:59+15:59:59", "2022-07-31 23:59:59-15:59:59", "2022-07-31 23:59:59+16", "2022-07-31 23:59:59-16", "2022-07-31 23:59:59+99", "2022-07-31 23:59:59+02:60", "2022-07-31 23:59:59+02:30:60", "2022-07-31 23:59:59+0060", "2022-07-31 23:59:59+00", "2022-07-31 23:59:59-00",
	"2022-07-31 23:59:59Z", "2022-07-31T23:59:59.5z", "2022-07-31 23:59:59 Z", "2022-07-31 23:59:59 UTC", "2022-07-31 23:59:59utc", "2022-07-31 23:59:59 GMT", "2022-07-31 23:59:59 zulu", "2022-07-31Z", "2022-07-31 Z",
	"2022-07-31+02", "2022-07-31 +02", "2022-07-31 -02", "2022-07-31 +02:30", "2022-07-31 BC +01", "2022-07-31 +01 BC", "2022-07-31 10:00:00+01 BC", "2022-07-31 10:00:00 BC+01", "2022-07-31 10:00:00BC", "2022-07-31 10:00:00 Z BC", "2022-07-31 BC 10:00", "  2022-07-31   10:00   +02   BC  ",
	"2022-13-01 25:00:00+99", "2022-13-01 23:00:00+99", "2022-13-01 23:00:00+10", "2022-02-30 25:00", "0000-01-01 25:00",
	"infinity", "-infinity", "Infinity", "-INFINITY", " infinity ", "epoch", "EPOCH",
	"5874897-12-31", "5874898-01-01", "9999999-01-01", "99999999999-01-01", "2147483647-01-01", "2147483648-01-01", "99999999999999999999-01-01", "99999999999-01-01 BC", "294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.9999999", "294277-01-01", "294276-12-31 24:00:00",
	"294277-01-01 00:59:59+01", "294277-01-01 01:00:00+01", "294276-12-31 23:59:59-01", "4714-11-23 23:00:00-02 BC", "4714-11-24 00:00:00+02 BC", "4714-11-24 00:00:00 BC", "4714-11-23 23:59:59.999999 BC", "294276-12-31 23:59:59.9999",
	"", " ", "abc", "hello world", "-", "jan", "monday", "N/A", "\xff", "2022-07-31\xff", "é", "2022-07-31\x00", "BC", "Z", "T", "allballs", "foo bar", "...", "NULL",
}

// refusedTexts depend on the DateStyle, on the moment, or on names of zones, or are not worth reading.
// The server may read them or not.
var refusedTexts = []string{
	"now", "today", "tomorrow", "yesterday", " NOW ", "now()", "today 10:00", "31/07/2022", "07/31/2022", "31.07.2022", "31-07-2022", "07-31-2022", "22-07-31", "220731", "Jul 31 2022", "31 July 2022", "2022-Jul-31", "July 31, 2022 10:00 PM",
	"2022-07-31 10:00 Europe/Paris", "2022-07-31 10:00 CET", "2022-07-31 10:00 PM", "2022-07-31 10:00 AM", "2022-07-31 10:00 UTC+2", "2022-07-31 10:00 +02 UTC", "2022.212", "2022-212", "J2459792", "2022-07-31 10", "2022-07-31 1010", "2022-07-31 101010", "20220731 101010", "20220731101010",
	"2022-07-31 10:00.5", "2022-07-31 (10:00:00)", "2022-07-31, 10:00", "2022-07-31 10:00:00 1", "2022-07-31 10:00 11:00", "10:00", "10:00 2022-07-31", "2022/07-31", "2022-07-31-02", "2022-07-31T10", "2022-07-31T256161", "2022-07-31T235959.", "2022-07-31T235960", "2022-07", "2022", "2022-07-31 10:00:00+ 02",
	"2022-07-31 10:00:00+1:2:3:4", "2022-07-31 10:00:00+02.5", "2022-07-31 10:00:00++02", "2022-07-31 10:00:00+123456", "2022-07-31 BC BC", "2022-07-31 Z Z", "2022-07-31 +01 +02", "2022-07-31 infinity", "infinity bc", "epoch 2", "+infinity 3", "2022-07-31 10:000:00", "2022-07-31 010:00", "2022-07-31T", "2022-07-31 monday",
	"2022-07-31 10:00:00." + strings.Repeat("1", 150), "2022-123-01", "20220731BCE", "1/2/3", "2022-07-31 10:00:00 Europe/Paris", "1.5", "0", "-1", "2022-07-31 10:00:", "2022-07-31 :00",
}

func TestAssignDatetime(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Africa/Monrovia", "<+02:30>-02:30"} {
		t.Run(zone, func(t *testing.T) {
			s := newSession(t, map[string]string{"TimeZone": zone})
			if s.settings.Location == nil {
				t.Fatalf("no location for %q", s.settings.TimeZone)
			}
			types := []string{"timestamptz"}
			if zone == "UTC" {
				types = []string{"date", "timestamp", "timestamp(0)", "timestamp(3)", "timestamptz", "timestamptz(2)"}
			}
			for _, name := range types {
				typ := mustParse(t, name)
				for _, v := range isoTexts {
					if s.assign(typ, text(v)) == refused {
						t.Errorf("%s ← %q is refused", typ, v)
					}
				}
				for _, v := range refusedTexts {
					if _, err := typ.Canonical(nil, []byte(v), 0, 0, Assign, s.settings); !isRefusal(err) {
						t.Errorf("%s ← %q is not refused: %v", typ, v, err)
					}
				}
			}
		})
	}
}

// Local times around changes of clocks, and far from today, are taken and shown with the server's offsets.
func TestZones(t *testing.T) {
	t.Parallel()
	typ := Type{Kind: Timestamptz, Typmod: -1}
	locals := []string{
		"2022-03-27 01:59:59", "2022-03-27 02:00:00", "2022-03-27 02:30:00", "2022-03-27 02:59:59.999999", "2022-03-27 03:00:00", "2022-10-30 01:59:59", "2022-10-30 02:00:00", "2022-10-30 02:30:00", "2022-10-30 02:59:59", "2022-10-30 03:00:00",
		"2022-03-13 02:30:00", "2022-11-06 01:30:00", "1911-03-10 23:55:00", "1911-03-11 00:05:00", "1891-03-15 00:01:00", "1800-01-01", "1700-06-01 12:00", "0001-01-01", "0100-01-01 BC", "1940-06-14 23:30", "1945-09-16 02:30", "1976-03-28 01:30",
		"2011-12-29 12:00", "2011-12-30 12:00", "2011-12-31 00:00", "2100-07-01", "2500-01-01", "2500-07-01 12:00", "294276-12-30", "1972-01-07 00:20", "1972-01-06 23:59", "1867-10-18 12:00", "2038-01-19 03:14:08", "2037-10-25 02:30", "2040-03-25 02:30", "2040-10-28 02:30",
		"2014-10-26 01:30", "2011-03-27 02:30", "1986-01-01 00:10", "1920-01-01", "2005-04-03 02:30", "2022-04-03 02:30", "2022-10-02 02:15", "2022-04-03 01:45",
	}
	for _, zone := range []string{
		"Europe/Paris", "Europe/Dublin", "Europe/Moscow", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kwajalein", "Africa/Monrovia", "Africa/Casablanca", "Antarctica/Troll",
		"America/Argentina/San_Luis", "Asia/Gaza", "Atlantic/Azores", "Europe/Lisbon", "EST5EDT", "Etc/GMT+5", "GMT", "CET", "<-03>+03", "<+05:45>-05:45",
	} {
		t.Run(zone, func(t *testing.T) {
			s := newSession(t, map[string]string{"TimeZone": zone})
			if s.settings.Location == nil {
				t.Fatalf("no location for %q", s.settings.TimeZone)
			}
			for _, v := range locals {
				s.assign(typ, text(v))
				s.assign(typ, text(v+"+00"))
			}
		})
	}
}

func TestNoZone(t *testing.T) {
	t.Parallel()
	typ := Type{Kind: Timestamptz, Typmod: -1}
	for _, name := range []string{"", "Local", "local", "localtime", "posixrules", "Nowhere/Here", "../etc/passwd", "posix/Europe/Paris", "<+02", "<+02>", "<+02>-", "<a>-200", "<a>1:61", "<a>1:1:1:1"} {
		if loc := LoadLocation(name); loc != nil {
			t.Errorf("LoadLocation(%q) = %v", name, loc)
		}
	}
	settings := &Settings{TimeZone: "Nowhere/Here"}
	for _, s := range []*Settings{nil, settings} {
		if _, err := typ.Canonical(nil, []byte("2022-07-31 10:00"), 0, 0, Assign, s); !isRefusal(err) {
			t.Errorf("a local time is read without a zone: %v", err)
		}
		canonical, err := typ.Canonical(nil, []byte("2022-07-31 10:00Z"), 0, 0, Assign, s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := typ.Append(nil, canonical, 0, s); !isRefusal(err) {
			t.Errorf("a timestamptz is shown without a zone: %v", err)
		}
		if out, err := typ.Append(nil, canonical, 1, s); err != nil || string(out) != string(canonical) {
			t.Errorf("binary needs no zone: %q, %v", out, err)
		}
	}
}

func TestDateStyle(t *testing.T) {
	t.Parallel()
	settings := &Settings{Location: LoadLocation("UTC"), DateStyle: "SQL, DMY"}
	for _, kind := range []Kind{Date, Timestamp, Timestamptz} {
		typ := Type{Kind: kind, Typmod: -1}
		canonical, err := typ.Canonical(nil, []byte("2022-07-31"), 0, 0, Assign, settings)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := typ.Append([]byte("x"), canonical, 0, settings); !isRefusal(err) || string(out) != "x" {
			t.Errorf("%s is shown under another DateStyle: %q, %v", typ, out, err)
		}
		if _, err := typ.Append(nil, canonical, 1, settings); err != nil {
			t.Errorf("%s in binary: %v", typ, err)
		}
		for _, style := range []string{"", "ISO, MDY", "ISO, DMY", "ISO, YMD", "iso, mdy"} {
			out, err := typ.Append(nil, canonical, 0, &Settings{Location: settings.Location, DateStyle: style})
			if err != nil || !strings.HasPrefix(string(out), "2022-07-31") {
				t.Errorf("%s under %q: %q, %v", typ, style, out, err)
			}
		}
		infinity, err := typ.Canonical(nil, []byte("-infinity"), 0, 0, Assign, nil)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := typ.Append(nil, infinity, 0, settings); err != nil || string(out) != "-infinity" {
			t.Errorf("%s: infinity is the same in all styles: %q, %v", typ, out, err)
		}
	}
}
