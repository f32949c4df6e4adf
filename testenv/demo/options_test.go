package main

import (
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		args string
		env  map[string]string
		want options
		err  string // part of the message
	}{
		{want: options{port: 6432, serverPort: 6433, patients: 2000, results: 4000, program: "bin/pgveil"}},
		{
			env:  map[string]string{"PORT": "7000", "PATIENTS": "5", "ONCE": "1", "KEYS": "vault", "RESULTS": ""},
			want: options{port: 7000, serverPort: 6433, patients: 5, results: 4000, once: true, vault: true, program: "bin/pgveil"},
		},
		{
			args: "--port 7001 --once=false --keys local", env: map[string]string{"PORT": "7000", "ONCE": "1", "KEYS": "vault"},
			want: options{port: 7001, serverPort: 6433, patients: 2000, results: 4000, program: "bin/pgveil"},
		},
		{env: map[string]string{"ONCE": "0"}, want: options{port: 6432, serverPort: 6433, patients: 2000, results: 4000, program: "bin/pgveil"}},
		{env: map[string]string{"PATIENTS": "many"}, err: "PATIENTS=many is not a whole number"},
		{env: map[string]string{"ONCE": "maybe"}, err: "ONCE=maybe is not a yes (1) or no (0)"},
		{env: map[string]string{"KEYS": "valt"}, err: "KEYS=valt"},
		{env: map[string]string{"SERVER_PORT": "65536"}, err: "SERVER_PORT"},
		{env: map[string]string{"PORT": "6433"}, err: "both 6433"},
		{env: map[string]string{"RESULTS": "0"}, err: "RESULTS"},
		{args: "--patients=-1", err: "PATIENTS"},
		{args: "--prot 1", err: "prot"},
		{args: "now", err: `"now"`},
	} {
		got, err := parseOptions(strings.Fields(c.args), func(name string) string { return c.env[name] })
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q %v: error %v, want one with %q", c.args, c.env, err, c.err)
			}
		case err != nil || *got != c.want:
			t.Errorf("%q %v: %+v, %v; want %+v", c.args, c.env, got, err, c.want)
		}
	}
}

func TestFreePorts(t *testing.T) {
	o := options{}
	if err := o.takePorts(); err != nil || o.port == 0 || o.serverPort == 0 || o.port == o.serverPort {
		t.Errorf("%+v, %v", o, err)
	}
}
