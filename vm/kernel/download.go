package kernel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Errors of a mirror.
var (
	// ErrNotServed says that a mirror has no such file.
	ErrNotServed = errors.New("the mirror does not have it")
	// ErrMismatch says that a file is not the one that the archive's index names.
	ErrMismatch = errors.New("not the file that the archive's index names")
	// ErrStalled says that a mirror sends nothing any more.
	ErrStalled = errors.New("the mirror went silent")
)

// MirrorError is what went wrong with a file of a mirror.
type MirrorError struct {
	URL string
	Err error
}

// Error names the file.
func (e *MirrorError) Error() string { return fmt.Sprintf("fetch %s: %v", e.URL, e.Err) }

// Unwrap is what went wrong.
func (e *MirrorError) Unwrap() error { return e.Err }

// digest is what the archive says of a file.
type digest struct {
	size   int64
	sha256 string
}

// downloader gets files over HTTP.
type downloader struct {
	client *http.Client
	// silence is how long a server may send nothing.
	silence time.Duration
}

// newClient takes each file as it is: no HTTP compression, whose output the
// archive's digests do not know.
func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	return &http.Client{Transport: t}
}

// get copies a file of at most limit bytes, and tells how far it is. The error is
// a *MirrorError, unless it is w's.
func (d downloader) get(ctx context.Context, from string, limit int64, w io.Writer, progress func(done int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(d.silence, func() { cancel(ErrStalled) })
	defer watchdog.Stop()
	fail := func(err error) error {
		var of *url.Error // which names the URL too
		if errors.As(err, &of) {
			err = of.Err
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return &MirrorError{URL: from, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return fail(err)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusGone:
		return fail(fmt.Errorf("%w (%s)", ErrNotServed, resp.Status))
	case resp.StatusCode != http.StatusOK:
		return fail(errors.New(resp.Status))
	}
	body := &watched{r: resp.Body, seen: func(n int64) { watchdog.Reset(d.silence); progress(n) }}
	n, err := io.Copy(w, io.LimitReader(body, limit+1))
	switch {
	case body.err != nil:
		return fail(body.err)
	case err != nil:
		return err
	case n > limit:
		return fail(fmt.Errorf("%w: it has more than %d bytes", ErrMismatch, limit))
	}
	return nil
}

// verify is get for a file whose digest is known.
func (d downloader) verify(ctx context.Context, from string, want digest, w io.Writer, progress func(done int64)) error {
	h := sha256.New()
	if err := d.get(ctx, from, want.size, io.MultiWriter(w, h), progress); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want.sha256 {
		return &MirrorError{URL: from, Err: fmt.Errorf("%w: its SHA-256 is %s, not %s", ErrMismatch, got, want.sha256)}
	}
	return nil
}

// watched tells how much was read, and keeps the error of reading apart from that
// of writing.
type watched struct {
	r    io.Reader
	seen func(total int64)
	n    int64
	err  error
}

// Read reads on.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.n += int64(n)
	w.seen(w.n)
	if !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
