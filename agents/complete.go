package agents

import (
	"bufio"
	"bytes"
	"io"
	"net/http"

	"testbed/topo"
)

// Complete tells whether an answer of unknown length is whole, by what serves
// the connection: an HTTP answer is one response. From any other server,
// whatever comes first is the answer.
func Complete(serve topo.Serve, answer []byte) bool {
	if serve == topo.ServeHTTP {
		return wholeResponse(answer)
	}
	return len(answer) > 0
}

// wholeResponse tells whether the bytes hold an HTTP response with its body.
func wholeResponse(answer []byte) bool {
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil {
		return false
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}
