package run

// keep keeps a connection under a name, and closes one that had it.
func (l *Lab) keep(name string, c *connection) {
	l.mu.Lock()
	old := l.kept[name]
	l.kept[name] = c
	l.mu.Unlock()
	if old != nil {
		old.conn.Close()
	}
}

// keeps is the connection that is kept under a name, nil for none.
func (l *Lab) keeps(name string) *connection {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept[name]
}

// drop forgets a connection's name.
func (l *Lab) drop(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kept, name)
}
