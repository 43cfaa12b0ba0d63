package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"testbed/scenarios/verdict"
)

func allResults() []*verdict.Result {
	refusal := result("refusal", refusedCases()[2].world, verdict.Verdict{OK: true})
	return []*verdict.Result{passedResult(), failedResult(), refusal, hostileResult(), brokenResult()}
}

func TestJSONGolden(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, []*verdict.Result{passedResult(), failedResult(), allResults()[2]}); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.json", b.String())
}

func TestJSONRoundTrip(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, allResults()); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(b.String(), isUnprintable) {
		t.Error("the document holds unprintable characters")
	}
	var got Document
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := NewDocument(allResults())
	// JSON has no way to say what is not UTF-8.
	for _, s := range want.Scenarios {
		for _, st := range s.Steps {
			if st.Command != nil {
				st.Command.Stdout = strings.ToValidUTF8(st.Command.Stdout, "\ufffd")
			}
		}
	}
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("the document changes on its way:\ngot  %+v\nwant %+v", got, *want)
	}
	if got.OK || got.Version != Version || got.Scenarios[3].Steps[0].Command.Exit != 1 {
		t.Errorf("ok %v, version %d, %+v", got.OK, got.Version, got.Scenarios[3].Steps[0].Command)
	}
}

func TestJSONTimesCountFromTheStep(t *testing.T) {
	d := NewDocument([]*verdict.Result{passedResult()})
	s := d.Scenarios[0].Steps[0]
	synAck := s.Journeys[1]
	if synAck.Packet.Flags != "SYN-ACK" || synAck.Sightings[0].AtNS != 50_060_000 || synAck.Sightings[0].Node != "server" || !synAck.Sightings[0].Sent {
		t.Errorf("the SYN-ACK is %+v", synAck)
	}
	if last := synAck.Sightings[3]; last.AtNS != 100_060_000 || last.Node != "client" || last.Sent {
		t.Errorf("it was last seen as %+v", last)
	}
	if *s.ConnectTimeNS != 100_300_000 || s.TLSTimeNS != nil {
		t.Errorf("connect_time_ns %d, tls_time_ns %v", *s.ConnectTimeNS, s.TLSTimeNS)
	}
}

func TestJSONOfNothing(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "{\n  \"version\": 1,\n  \"ok\": true,\n  \"scenarios\": []\n}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
