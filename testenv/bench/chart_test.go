package bench

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

var chart = flag.String("chart", "", "`file` for the chart of BenchmarkClients, in SVG")

// clients are the numbers of clients in the chart.
var clients = []int{1, 2, 4, 8, 16, 32, 64, 128, 256}

// BenchmarkClients prints, and draws, transactions per second against the number of clients.
func BenchmarkClients(b *testing.B) {
	w := start(b)
	w.pgbenchTables(b)
	r := newResults("transactions per second")
	for range b.N {
		for _, n := range clients {
			w.measure(b, load{name: counted(n), options: []string{"-S", "-M", "prepared", "-c", strconv.Itoa(n)}, ways: plain}, r)
		}
	}
	r.print()
	r.write(b, "clients")
	if *chart != "" {
		if err := os.WriteFile(*chart, []byte(r.svg()), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// svg draws the medians: clients on a logarithmic axis, transactions per second on a linear one.
func (r *results) svg() string {
	const width, height, left, top, bottom = 760, 420, 70, 20, 50
	const plotWidth, plotHeight = width - left - 130, height - top - bottom
	colours := map[string]string{direct: "#555555", relay: "#b07d2b", pgbouncer: "#2b6cb0", veil: "#c53030"}
	most := 0.0
	for _, byWay := range r.Measured {
		for _, values := range byWay {
			most = max(most, median(values))
		}
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	if most/step < 4 {
		step /= 2
	}
	top10 := math.Ceil(most/step) * step
	x := func(i int) float64 { return left + plotWidth*float64(i)/float64(len(clients)-1) }
	y := func(v float64) float64 { return top + plotHeight*(1-v/top10) }
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`, width, height)
	s.WriteString("\n<title>pgbench select-only, prepared: transactions per second against clients</title>\n" + `<rect width="100%" height="100%" fill="white"/>` + "\n")
	for v := 0.0; v <= top10; v += step {
		fmt.Fprintf(&s, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#dddddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f</text>`+"\n", left, left+plotWidth, y(v), y(v), left-8, y(v)+4, v)
	}
	for i, n := range clients {
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", x(i), height-bottom+20, n)
	}
	fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="middle">clients</text>`+"\n", left+plotWidth/2, height-10)
	for _, way := range plain {
		var points []string
		last := 0.0
		for i, n := range clients {
			if last = median(r.Measured[counted(n)][way]); last > 0 {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x(i), y(last)))
			}
		}
		fmt.Fprintf(&s, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%d" y="%.1f" fill="%s">%s</text>`+"\n",
			strings.Join(points, " "), colours[way], left+plotWidth+8, y(last)+4, colours[way], way)
	}
	s.WriteString("</svg>\n")
	return s.String()
}
