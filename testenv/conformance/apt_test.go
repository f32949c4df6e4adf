package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// apt runs apt's programs with lists, cache and sources of its own in dir, so that
// the machine's own stay as they are and root is not needed.
type apt struct{ dir string }

func (a apt) run(ctx context.Context, dir, program string, args ...string) (string, error) {
	own := []string{
		"-o", "Dir::State::lists=" + filepath.Join(a.dir, "lists"),
		"-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"-o", "Dir::Etc::sourcelist=" + os.DevNull,
		"-o", "Dir::Etc::sourceparts=" + filepath.Join(a.dir, "sources"),
		"-o", "APT::Sandbox::User=root",
	}
	return output(ctx, dir, program, append(own, args...)...)
}

// output gives what a program prints; an error holds all that it said.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, out, said.String())
	}
	return string(out), nil
}

// aptOffer is a line of apt-cache madison: postgresql-15 | 15.18-0+deb12u1 | URI suite/component architecture Packages.
var aptOffer = regexp.MustCompile(`(?m)^\s*\S+ \| (\S+) \| (\S+) (\S+)/(\S+) \S+ Packages$`)

// signedBy is how a file of sources names the keys of a repository.
var signedBy = regexp.MustCompile(`(?mi)\bsigned-by[:=]\s*(/[^\s\]]+)`)

// fetch downloads the original sources of the Debian source package that the server's
// package is built from into dir, from wherever the machine gets that package, and
// returns the name of the archive. wanted is the version to look for first.
func (a apt) fetch(ctx context.Context, dir, name, wanted string) (string, error) {
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "sources"} {
		if err := os.MkdirAll(filepath.Join(a.dir, sub), 0o700); err != nil {
			return "", err
		}
	}
	lines, err := a.sourceLines(ctx, name)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(a.dir, "sources", "pgveil.list"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return "", err
	}
	if _, err := a.run(ctx, dir, "apt-get", "update"); err != nil {
		return "", err
	}
	shown, err := a.run(ctx, dir, "apt-cache", "showsrc", "--only-source", name)
	if err != nil {
		return "", err
	}
	var versions []string
	for _, m := range regexp.MustCompile(`(?m)^Version: (\S+)$`).FindAllStringSubmatch(shown, -1) {
		versions = append(versions, m[1])
	}
	// The very version of the server first; any other of the same major serves, too.
	slices.SortStableFunc(versions, func(x, y string) int { return len(commonPrefix(y, wanted)) - len(commonPrefix(x, wanted)) })
	var failed []error
	for _, version := range versions {
		_, err := a.run(ctx, dir, "apt-get", "-qq", "--download-only", "source", "--only-source", name+"="+version)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		archives, err := filepath.Glob(filepath.Join(dir, name+"_*.orig.tar.*"))
		if err != nil || len(archives) == 0 {
			return "", fmt.Errorf("source package %s %s has no original archive", name, version)
		}
		return archives[0], nil
	}
	return "", fmt.Errorf("no version of source package %s can be had: %w", name, errors.Join(failed...))
}

// sourceLines turns where the machine gets a binary package from into where its sources
// are.
func (a apt) sourceLines(ctx context.Context, name string) ([]string, error) {
	var options []string
	offers, err := output(ctx, "", "apt-cache", "madison", name)
	if err == nil && !aptOffer.MatchString(offers) {
		// The machine's lists were never read, or not lately: into a list of our own.
		options = []string{"-o", "Dir::State::lists=" + filepath.Join(a.dir, "binaries"), "-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"), "-o", "APT::Sandbox::User=root"}
		if err := os.MkdirAll(filepath.Join(a.dir, "binaries", "partial"), 0o700); err != nil {
			return nil, err
		}
		if _, err := output(ctx, "", "apt-get", append(options, "update")...); err != nil {
			return nil, err
		}
		offers, err = output(ctx, "", "apt-cache", append(options, "madison", name)...)
	}
	if err != nil {
		return nil, err
	}
	found := aptOffer.FindAllStringSubmatch(offers, -1)
	if found == nil {
		return nil, fmt.Errorf("none of the machine's apt repositories has the package %s", name)
	}
	targets, err := output(ctx, "", "apt-get", append(options, "indextargets", "--format", "$(SITE) $(RELEASE) $(SOURCESENTRY)", "Created-By: Packages")...)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, offer := range found {
		uri, suite, component := offer[2], offer[3], offer[4]
		keys := ""
		for _, target := range strings.Split(targets, "\n") {
			file, ok := strings.CutPrefix(target, uri+" "+suite+" ")
			if !ok {
				continue
			}
			entry, _, _ := strings.Cut(file, ":")
			if text, err := os.ReadFile(entry); err == nil {
				if m := signedBy.FindSubmatch(text); m != nil {
					keys = "[signed-by=" + string(m[1]) + "] "
				}
			}
		}
		line := "deb-src " + keys + uri + " " + suite + " " + component
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}
