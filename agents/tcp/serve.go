package tcp

import (
	"io"
	"net"
)

// Echo sends back every byte until the client sends FIN.
func Echo(c *net.TCPConn) { io.Copy(c, c) }

// BannerLine is what Banner sends for a line.
func BannerLine(line string) string { return line + "\r\n" }

// Banner sends a line as FTP and SMTP servers do, then echoes.
func Banner(line string) Handler {
	return func(c *net.TCPConn) {
		if _, err := io.WriteString(c, BannerLine(line)); err == nil {
			Echo(c)
		}
	}
}

// Silent reads and never answers.
func Silent(c *net.TCPConn) { io.Copy(io.Discard, c) }

// Hold reads, never answers and never closes, as a program does that forgets its
// sockets: a client's FIN leaves the server in CLOSE-WAIT until the listener ends.
func Hold(c *net.TCPConn) {
	io.Copy(io.Discard, c)
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	raw.Read(func(uintptr) bool { return false }) // until it is closed
}

// Reset sends RST at once.
func Reset(c *net.TCPConn) { c.SetLinger(0) }

// Close sends FIN at once and takes what still comes, so that no RST follows.
func Close(c *net.TCPConn) {
	c.CloseWrite()
	io.Copy(io.Discard, c)
}
