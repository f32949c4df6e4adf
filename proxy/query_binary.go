package proxy

import (
	"github.com/pgveil/pgveil/proxy/pipeline"
	"github.com/pgveil/pgveil/proxy/statement"
	"github.com/pgveil/pgveil/proxy/wire"
)

// binaryFormats gives the result formats in which a Query is asked for in messages of the
// extended protocol, nil for one that is sent as it is. Only these can ask for sealed
// columns in binary, which is half as long as text and costs the server less; for a few
// rows they cost more.
func (c *conn) binaryFormats(text *statement.Text, w *work) []int16 {
	commands := text.Commands()
	if w.part != nil || len(w.results) != 1 || commands[0].Verb != statement.VerbSelect || commands[0].Changes != 0 || text.HasParams(&commands[0]) {
		return nil
	}
	r := w.results[0]
	if r.owner != nil || r.refusal != nil || r.outputs() == nil || r.free() || !r.plan.GivesMany() {
		return nil
	}
	c.mu.Lock()
	behind := c.queue.InSequence() // whose error must not end with a Sync of pgveil's
	c.mu.Unlock()
	if behind {
		return nil
	}
	return serverFormats(&r.plan.Statements[r.index], nil)
}

// sendExtended sends the statement of a Query so that its results come in these formats. The
// client gets the answers to a Query: without those that only these messages have. What a
// Query leaves of the unnamed statement and portal, which is nothing, they leave, too.
func (c *conn) sendExtended(w *work, sql []byte, formats []int16) error {
	w.extended, w.results[0].asked = true, formats
	c.send.Lock()
	defer c.send.Unlock()
	w.naming = c.newStatement("", &prepared{refused: true}) // if an error keeps it from being closed
	for _, kind := range [...]pipeline.Kind{
		pipeline.Parse, pipeline.Describe, pipeline.Bind, pipeline.Execute, pipeline.Close, pipeline.Close, pipeline.Sync,
	} {
		c.push(pipeline.Entry[*work]{Kind: kind, Data: w})
	}
	c.sequence++ // what follows is not skipped if it fails
	wire.WriteParse(c.sw, "", sql)
	wire.WriteDescribe(c.sw, 'S', "")
	wire.WriteBind(c.sw, "", "", formats...)
	wire.WriteExecute(c.sw, "", 0)
	wire.WriteClose(c.sw, 'P', "")
	wire.WriteClose(c.sw, 'S', "")
	return wire.WriteEmpty(c.sw, wire.TypeSync) // its error is the first of all of these
}
