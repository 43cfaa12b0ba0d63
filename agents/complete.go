package agents

import (
	"bufio"
	"bytes"
	"io"
	"net/http"

	"testbed/topo"
)

// Complete tells whether an answer is whole, by what serves the connection: an
// echo is as long as what was sent, a banner server's line comes before its
// echo, and an HTTP answer is one response. From a server that is not known, or
// answers nothing by itself, whatever comes first is the answer.
func Complete(serve topo.Serve, sent string, answer []byte) bool {
	switch serve {
	case topo.ServeEcho:
		return len(answer) >= len(sent)
	case topo.ServeBanner:
		line := bytes.IndexByte(answer, '\n')
		return line >= 0 && len(answer)-line-1 >= len(sent)
	case topo.ServeHTTP:
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
