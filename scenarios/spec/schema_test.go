package spec

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"testbed/scenarios"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled is the schema, ready to check documents.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	src, err := Schema()
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("scenario.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("scenario.json")
})

// checkSchema holds a YAML document against the schema.
func checkSchema(t *testing.T, src []byte) error {
	t.Helper()
	s, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	json, err := yaml.YAMLToJSON(bytes.TrimPrefix(src, []byte("\ufeff")))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(json))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestSchemaAcceptsTheLibrary(t *testing.T) {
	for _, file := range scenarios.Files() {
		src, err := scenarios.Library.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkSchema(t, src); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestSchemaAcceptsForms holds every form of every key against the decoder and
// the schema.
func TestSchemaAcceptsForms(t *testing.T) {
	src, err := os.ReadFile("testdata/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	mustDecode(t, string(src))
	if err := checkSchema(t, src); err != nil {
		t.Error(err)
	}
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"name", "sysctls", "nth", "probability", "backlog", "syn_times", "hook", "env", "duplicate", "to_bad", "spread", "queue", "random", "clock", "await", "until", "keepalive", "sport", "syn_ack_times", "time_wait", "fin_wait_2"} {
		if !strings.Contains(string(src), key+":") || !strings.Contains(string(schema), `"`+key+`": {`) {
			t.Errorf("the key %s is not in both the example and the schema", key)
		}
	}
}

// TestSchemaRejects names broken scenarios that a schema can find; what spans
// several keys is the decoder's.
func TestSchemaRejects(t *testing.T) {
	for _, name := range []string{
		"unknown-key-link", "unknown-key-top", "unknown-key-node", "delay-no-unit", "delay-wrong-unit", "delay-negative", "loss-over-100",
		"loss-no-unit", "link-three-ends", "later-switch", "missing-keys", "no-steps", "no-nodes", "listen-port",
		"listen-tls-number", "listen-unknown-serve", "listen-missing-serve", "step-two-actions", "step-no-action", "step-foreign-key", "wait-expect",
		"expect-foreign", "expect-unknown", "expect-bare-number", "expect-states", "expect-packets", "firewall-no-action", "nat-timeout",
		"set-neither", "set-mixed", "sysctl-name", "node-name", "node-empty", "mtu-quoted", "yaml-list",
		"rate-no-unit", "rate-bytes", "rate-map", "queue-no-unit", "queue-empty-map", "queue-map-units", "reorder-over-100", "jitter-no-spread",
		"jitter-distribution", "jitter-correlation-over-100", "loss-both", "loss-neither", "loss-correlation-alone", "bursts-no-end", "bursts-hyphens", "kernels-condition", "kernels-list", "kernels-bad-value",
		"clock", "until-scalar", "until-state", "syn-times-word", "await-expect", "scan-keys", "scan-expect", "connect-expects-ports",
	} {
		src, err := os.ReadFile(filepath.Join("testdata/broken", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if checkSchema(t, src) == nil {
			t.Errorf("the schema accepts %s", name)
		}
	}
}

// TestSchemaIsStable prints the schema twice.
func TestSchemaIsStable(t *testing.T) {
	a, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Schema()
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two schemas differ: %v", err)
	}
}
