package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// progress shows how far the loading of a table is: on a terminal a bar that
// moves, elsewhere a line now and then.
type progress struct {
	screen  *screen
	what    string
	total   int64
	done    atomic.Int64
	started time.Time
	stop    chan struct{}
	stopped chan struct{}
}

// How often the bar moves, and when the first line is written where there is none.
// Each further line takes twice as long, up to a bound.
const (
	barEvery  = 100 * time.Millisecond
	firstLine = 2 * time.Second
	lineEvery = 16 * time.Second
)

func startProgress(s *screen, what string, total int64) *progress {
	p := &progress{
		screen: s, what: what, total: total, started: time.Now(),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go p.run()
	return p
}

func (p *progress) run() {
	defer close(p.stopped)
	every := firstLine
	if p.screen.terminal {
		every = barEvery
	}
	for {
		select {
		case <-p.stop:
			return
		case <-time.After(every):
			p.show()
		}
		if !p.screen.terminal {
			every = min(2*every, lineEvery)
		}
	}
}

// add says that n more rows are loaded.
func (p *progress) add(n int) { p.done.Add(int64(n)) }

// end stops the display. With an error only the bar is taken away.
func (p *progress) end(err error) {
	close(p.stop)
	<-p.stopped
	if p.screen.terminal {
		p.screen.write("\r\x1b[K")
	}
	if err == nil {
		took := time.Since(p.started)
		p.screen.step("%s %s in %s, %s rows/s", thousands(p.total), p.what, short(took), thousands(rate(p.total, took)))
	}
}

func (p *progress) show() {
	done, took := p.done.Load(), time.Since(p.started)
	left := ""
	if perSecond := rate(done, took); perSecond > 0 {
		left = fmt.Sprintf("%s rows/s, %s left", thousands(perSecond), short(time.Duration(float64(p.total-done)/float64(perSecond)*float64(time.Second))))
	}
	counts := fmt.Sprintf("%s of %s", thousands(done), thousands(p.total))
	if !p.screen.terminal {
		p.screen.line("  %s: %s (%d %%), %s", p.what, counts, done*100/p.total, left)
		return
	}
	const width = 30
	filled := int(done * width / p.total)
	bar := p.screen.paint(green, strings.Repeat("█", filled)) + p.screen.paint(dim, strings.Repeat("░", width-filled))
	text := fmt.Sprintf("  %s  %s", counts, left)
	if room := p.screen.width() - 2 - 10 - width - 1; len(text) > room {
		text = text[:max(room, 0)]
	}
	p.screen.write("\r\x1b[K  " + pad(p.what, 10) + bar + text)
}

// rate is per second.
func rate(n int64, took time.Duration) int64 {
	if took < time.Millisecond {
		took = time.Millisecond
	}
	return int64(float64(n) / took.Seconds())
}

// short writes a duration as a person would say it.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	default:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
}
