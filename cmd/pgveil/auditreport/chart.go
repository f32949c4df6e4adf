package auditreport

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Chart is a drawing of rectangles and words, in the units of its own viewBox.
type Chart struct {
	ID            string
	Title         string
	Description   string // for those who do not see it
	Width, Height int
	Lines         []Line
	Boxes         []Box
	Labels        []Label
	Legend        []Entry
}

// Line is a line of the grid.
type Line struct{ X1, Y1, X2, Y2 float64 }

// Box is a bar or a part of one. Hint is shown when the pointer rests on it.
type Box struct {
	X, Y, Width, Height float64
	Series              int // its colour
	Hint                string
}

// Label is a text; Anchor is start, middle or end.
type Label struct {
	X, Y   float64
	Anchor string
	Text   string
}

// Entry is a line of the legend.
type Entry struct {
	Series int
	Name   string
}

// colours is how many series are told apart; the roles beyond share the last.
const colours = 7

// Sizes of the charts.
const (
	chartWidth = 860
	left       = 64
	right      = 12
	top        = 12
	plotHeight = 220
	barHeight  = 22
)

// TimeChart draws the values opened over time, a bar for each span, a colour for each role.
func (s *Summary) TimeChart() *Chart {
	c := &Chart{
		ID: "over-time", Title: "Values opened by role, by the " + s.Every, Width: chartWidth, Height: top + plotHeight + 44,
		Description: "A bar for each " + s.Every + ". The table below has the numbers.",
	}
	roles := s.opening()
	var most int64
	for _, b := range s.Opened {
		var sum int64
		for _, n := range b.Opened {
			sum += n
		}
		most = max(most, sum)
	}
	if most == 0 {
		return nil
	}
	scale := c.axis(most)
	step := float64(chartWidth-left-right) / float64(len(s.Opened))
	for i, b := range s.Opened {
		x, y := left+float64(i)*step, float64(top+plotHeight)
		for n, role := range roles {
			if b.Opened[role] == 0 {
				continue
			}
			height := float64(b.Opened[role]) / scale * plotHeight
			y -= height
			c.Boxes = append(c.Boxes, Box{X: x + step*0.1, Y: y, Width: step * 0.8, Height: height, Series: min(n, colours-1), Hint: fmt.Sprintf("%s, %s: %d", s.BucketName(b.Begin), role, b.Opened[role])})
		}
	}
	every := max(1, int(math.Ceil(float64(len(s.Opened))/8)))
	for i := 0; i < len(s.Opened); i += every {
		x, anchor := left+(float64(i)+0.5)*step, "middle"
		if x > chartWidth-50 {
			x, anchor = chartWidth-right, "end"
		}
		c.Labels = append(c.Labels, Label{x, top + plotHeight + 18, anchor, s.BucketName(s.Opened[i].Begin)})
	}
	for n, role := range roles {
		if n < colours {
			c.Legend = append(c.Legend, Entry{n, role})
		} else if n == colours {
			c.Legend[colours-1].Name += " and others"
		}
	}
	return c
}

// axis draws the grid for values up to most and gives the value at its top.
func (c *Chart) axis(most int64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(float64(most))))
	for _, part := range []float64{0.2, 0.5, 1, 2} {
		if unit*part*5 >= float64(most) {
			unit *= part
			break
		}
	}
	unit = math.Max(unit, 1)
	steps := math.Ceil(float64(most) / unit)
	for i := 0.0; i <= steps; i++ {
		y := top + plotHeight - i/steps*plotHeight
		c.Lines = append(c.Lines, Line{left, y, chartWidth - right, y})
		c.Labels = append(c.Labels, Label{left - 8, y + 4, "end", strconv.FormatInt(int64(i*unit), 10)})
	}
	return unit * steps
}

// opening gives the roles that opened values, those that opened most first.
func (s *Summary) opening() []string {
	var roles []string
	for _, r := range s.Roles {
		if r.Opened > 0 {
			roles = append(roles, r.Role)
		}
	}
	return roles
}

// BucketName names a span of time.
func (s *Summary) BucketName(t time.Time) string {
	switch s.Every {
	case "month":
		return t.Format("2006-01")
	case "day":
		return t.Format("2006-01-02")
	}
	return t.Format("01-02 15:04")
}

// PatientChart draws how many patients each role opened values of.
func (s *Summary) PatientChart() *Chart {
	return bars("patients", "Patients by role", "A bar for each role. The table above has the numbers.", s.Roles, func(r Role) int { return r.Subjects })
}

// RefusalChart draws how often each role was refused something.
func (s *Summary) RefusalChart() *Chart {
	return bars("refused", "Refusals by role", "A bar for each role. The table above has the numbers.", s.Roles, func(r Role) int { return r.Refused })
}

// maxBars bounds the bars of a chart.
const maxBars = 20

func bars(id, title, description string, roles []Role, of func(Role) int) *Chart {
	var names []string
	var values []int
	for _, r := range roles {
		if n := of(r); n > 0 && len(names) < maxBars {
			names, values = append(names, r.Role), append(values, n)
		}
	}
	return barChart(id, title, description, names, values, "")
}

// KeyChart draws how old the keys are.
func (s *Summary) KeyChart() *Chart {
	var names []string
	var values []int
	for _, k := range s.Keys {
		if !k.Added.IsZero() && len(names) < maxBars {
			names, values = append(names, fmt.Sprintf("%s %d", k.Name, k.ID)), append(values, s.Days(k))
		}
	}
	return barChart("keys", "Age of the keys in days", "A bar for each key. The table below has the numbers.", names, values, " days")
}

func barChart(id, title, description string, names []string, values []int, unit string) *Chart {
	most := 0
	for _, n := range values {
		most = max(most, n)
	}
	if len(names) == 0 {
		return nil
	}
	const names0, numbers = 200, 90 // width of the columns on both sides
	c := &Chart{ID: id, Title: title, Description: description, Width: chartWidth, Height: 2*top + len(names)*(barHeight+6)}
	for i, name := range names {
		y := float64(top + i*(barHeight+6))
		width := float64(values[i]) / float64(max(most, 1)) * (chartWidth - names0 - numbers)
		c.Boxes = append(c.Boxes, Box{X: names0, Y: y, Width: math.Max(width, 1), Height: barHeight, Hint: fmt.Sprintf("%s: %d%s", name, values[i], unit)})
		c.Labels = append(c.Labels, Label{names0 - 8, y + barHeight*0.7, "end", shortened(name)}, Label{names0 + width + 6, y + barHeight*0.7, "start", strconv.Itoa(values[i])})
	}
	return c
}

// shortened cuts a name that has no room beside its bar.
func shortened(name string) string {
	if r := []rune(name); len(r) > 26 {
		return string(r[:25]) + "…"
	}
	return name
}
