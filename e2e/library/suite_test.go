// Package library_test holds the library against what it promises: networks are
// built, used and asked from Go, with the tests themselves in a sandbox.
package library_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

func TestLibrary(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "testbed as a library")
}
