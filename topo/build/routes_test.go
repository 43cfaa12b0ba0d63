package build_test

import (
	"net/netip"
	"testing"

	"testbed/topo"
	"testbed/topo/build"
)

// While a router takes kernel parameters, what crosses it finds its way.
func TestRoutesStayWhileSysctlsAreSet(t *testing.T) {
	n := up(t, chain(0), build.Options{})
	client := datagram(t, n, 0, 5000)
	datagram(t, n, 2, 1001)
	to := netip.AddrPortFrom(n.Plan.Resolve(0, 2, true), 1001)
	done, failed := make(chan struct{}), make(chan int)
	go func() {
		sum := 0
		for {
			select {
			case <-done:
				failed <- sum
				return
			default:
				if _, err := client.WriteToUDPAddrPort([]byte("x"), to); err != nil {
					sum++
				}
			}
		}
	}()
	for range 200 {
		if err := n.SetSysctls(0, []topo.Sysctl{{Name: "net.ipv4.tcp_syn_retries", Value: "3"}}); err != nil {
			t.Error(err)
		}
	}
	close(done)
	if sum := <-failed; sum != 0 {
		t.Errorf("%d datagrams found no route", sum)
	}
}
