//go:build race

package guesttest

const raceDetector = true
