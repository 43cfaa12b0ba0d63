package spec

import "time"

// Transfer sends many bytes across a kept connection, or receives them. Exactly one
// of Send and Receive is more than zero.
type Transfer struct {
	Connection string
	// Send and Receive are numbers of bytes. Receive asks a server of kind source.
	Send, Receive int64
	// Timeout ends it; zero means 60 s.
	Timeout time.Duration
}

type rawTransfer struct {
	mark
	Transfer *title     `json:"transfer" jsonschema:"required" doc:"moves many bytes across the open connection of this name"`
	Send     *byteCount `json:"send" doc:"how many bytes are sent, such as 1MiB"`
	Receive  *byteCount `json:"receive" doc:"how many bytes a source server is asked for, such as 1MiB"`
	Timeout  *timespan  `json:"timeout" doc:"ends the transfer; default 60s"`
	Expect   *rawExpect `json:"expect" doc:"what must be observed"`
}

func (*rawTransfer) noun() string { return "a transfer step" }

func (b *builder) transfer(r *rawTransfer) *Transfer {
	t := &Transfer{Connection: b.opened("transfer", r.Transfer)}
	if r.Timeout != nil {
		t.Timeout = r.Timeout.V
	}
	line, halved := b.half[t.Connection]
	switch {
	case r.Send != nil && r.Receive != nil:
		b.add(r.Receive.mark, bad("a transfer in both directions").want("send or receive; two transfer steps for both"))
	case r.Send == nil && r.Receive == nil && !r.partial:
		b.add(r.mark, bad("a transfer of nothing").want("send: 1MiB or receive: 1MiB"))
	case halved:
		b.add(r.Transfer.mark, bad("transfer: the connection %q has been closed for sending on line %d", t.Connection, line).want("a connection whose own side is open"))
	}
	if r.Send != nil {
		t.Send = int64(r.Send.V)
	}
	if r.Receive != nil {
		t.Receive = int64(r.Receive.V)
	}
	return t
}
