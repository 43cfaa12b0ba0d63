package report

import (
	"fmt"

	"testbed/observe"
)

// simultaneous tells of two ends that both connected.
func (e *evidence) simultaneous() string {
	if !entered(e.ClientStates, observe.SynReceived) {
		return ""
	}
	return fmt.Sprintf("%s sent a SYN of its own before that of %s had arrived: a simultaneous open (RFC 9293, section 3.5), in which both ends connect, and none listens.", e.server, e.client)
}

// early tells of data that went with the SYN.
func (e *evidence) early() string {
	if e.step == nil || e.step.Connect == nil || e.step.Connect.FastOpen == "" {
		return ""
	}
	data := len(e.step.Connect.FastOpen)
	for _, syn := range e.syns {
		h := syn.Packet().TCP
		if h.Payload == 0 {
			continue
		}
		for _, answer := range e.synAcks {
			if int32(answer.Packet().TCP.Ack-h.Seq) > 1 {
				return fmt.Sprintf("The SYN took %s along, and the SYN-ACK acknowledges them (TCP Fast Open, RFC 7413): %s had the data before the handshake was over.", count(h.Payload, "byte"), e.server)
			}
		}
		return fmt.Sprintf("The SYN took %s along, which the SYN-ACK does not acknowledge: %s does not take data before the handshake is over (TCP Fast Open is off, or the cookie is no longer good), so it was sent again.", count(h.Payload, "byte"), e.server)
	}
	return fmt.Sprintf("The SYN took no data along, as %s had no cookie of %s: it asked for one (TCP Fast Open, RFC 7413), and the %s went after the handshake.", e.client, e.server, count(data, "byte"))
}
