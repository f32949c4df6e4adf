package auditreport

import (
	"bytes"
	"context"
	"image"
	_ "image/png" // what the browser writes
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// browser finds a browser that can be run without a screen.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("neither chromium nor google-chrome is installed: the report is not looked at in a browser")
	return ""
}

// TestPageInBrowser: a browser, with no network, shows the whole report: every table, chart and bar has its place on the page,
// nothing sticks out of it, and it looks the way it was drawn.
func TestPageInBrowser(t *testing.T) {
	path := browser(t)
	dir := t.TempDir()
	var page bytes.Buffer
	if err := sample(t).HTML(&page); err != nil {
		t.Fatal(err)
	}
	// The report itself has no scripts and forbids them: the page around it measures it in a frame.
	probe := `<!doctype html><meta charset="utf-8"><iframe id="f" style="width:1000px;height:4000px;border:0"></iframe><pre id="out">nothing</pre><script>
const f = document.getElementById("f"), say = [];
f.onload = () => {
	const d = f.contentDocument, w = f.contentWindow;
	const seen = e => { const r = e.getBoundingClientRect(), c = w.getComputedStyle(e); return r.width > 0 && r.height > 0 && c.display !== "none" && c.visibility !== "hidden" };
	for (const name of ["h1", "h2", "table", "svg", "rect"]) {
		const all = [...d.querySelectorAll(name)];
		say.push(name + " " + all.length + " " + all.filter(seen).length);
	}
	say.push("overflow " + (d.documentElement.scrollWidth - d.documentElement.clientWidth));
	say.push("scripts " + d.scripts.length + " loads " + w.performance.getEntriesByType("resource").length);
	say.push("font " + w.getComputedStyle(d.body).fontFamily);
	document.getElementById("out").textContent = say.join("\n");
};
f.src = "report.html";
</script>`
	for name, data := range map[string][]byte{"report.html": page.Bytes(), "probe.html": []byte(probe)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		command := exec.CommandContext(ctx, path, append([]string{
			"--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--disable-background-networking",
			"--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + filepath.Join(dir, "profile"),
		}, args...)...)
		var out, problems bytes.Buffer
		command.Stdout, command.Stderr = &out, &problems
		if err := command.Run(); err != nil {
			t.Fatalf("%v\n%s", err, problems.String())
		}
		return out.String()
	}
	dom := run("--allow-file-access-from-files", "--virtual-time-budget=10000", "--dump-dom", "file://"+filepath.Join(dir, "probe.html"))
	_, told, _ := strings.Cut(dom, `<pre id="out">`)
	told, _, _ = strings.Cut(told, "</pre>")
	for _, name := range []string{"h1", "h2", "table", "svg"} {
		m := regexp.MustCompile(`(?m)^` + name + ` (\d+) (\d+)$`).FindStringSubmatch(told)
		if m == nil || m[1] == "0" || m[1] != m[2] {
			t.Errorf("not all of <%s> are seen: %v", name, m)
		}
	}
	for _, want := range []string{"overflow 0", "scripts 0 loads 0"} {
		if !strings.Contains(told, want) {
			t.Errorf("the browser does not say %q:\n%s", want, told)
		}
	}
	picture := filepath.Join(dir, "report.png")
	run("--screenshot="+picture, "--window-size=1000,3000", "--hide-scrollbars", "file://"+filepath.Join(dir, "report.html"))
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shot, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	colours := make(map[[3]uint32]int)
	for y := shot.Bounds().Min.Y; y < shot.Bounds().Max.Y; y++ {
		for x := shot.Bounds().Min.X; x < shot.Bounds().Max.X; x++ {
			r, g, b, _ := shot.At(x, y).RGBA()
			colours[[3]uint32{r, g, b}]++
		}
	}
	drawn := 0 // colours of which there is more than letters have
	for _, n := range colours {
		if n > 300 {
			drawn++
		}
	}
	if drawn < 4 {
		t.Errorf("the picture has %d colours of some size, of %d: no charts are on it", drawn, len(colours))
	}
	if name := os.Getenv("PGVEIL_REPORT_PICTURE"); name != "" { // to look at it
		data, err := os.ReadFile(picture)
		if err == nil {
			err = os.WriteFile(name, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
