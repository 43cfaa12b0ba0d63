package report

import (
	"testbed/agents"
	"testbed/scenarios/verdict"
)

// symptom is what people see of an errno: strerror(3)'s text, curl's exit code
// for a failed connection, and Chromium's error page (net_error_list.h).
type symptom struct {
	text, browser string
	curl          string
}

// symptomOf knows the errno names that a TCP socket can return.
func symptomOf(errno string) symptom {
	switch errno {
	case "ECONNREFUSED":
		return symptom{"Connection refused", "ERR_CONNECTION_REFUSED", "7"}
	case "ETIMEDOUT":
		return symptom{"Connection timed out", "ERR_CONNECTION_TIMED_OUT", "28"}
	case "EHOSTUNREACH":
		return symptom{"No route to host", "ERR_ADDRESS_UNREACHABLE", "7"}
	case "ENETUNREACH":
		return symptom{"Network is unreachable", "ERR_ADDRESS_UNREACHABLE", "7"}
	case "ECONNRESET":
		return symptom{"Connection reset by peer", "ERR_CONNECTION_RESET", "56"}
	case "EPIPE":
		return symptom{"Broken pipe", "ERR_CONNECTION_RESET", "55"}
	case "EACCES":
		return symptom{"Permission denied", "ERR_NETWORK_ACCESS_DENIED", "7"}
	case "EPERM":
		return symptom{"Operation not permitted", "", "7"}
	case "EINVAL":
		return symptom{"Invalid argument", "", "7"}
	case "ENOPROTOOPT":
		return symptom{"Protocol not available", "", "7"}
	case "EADDRNOTAVAIL":
		return symptom{"Cannot assign requested address", "", "7"}
	case "EHOSTDOWN":
		return symptom{"Host is down", "", "7"}
	case "EAI_NONAME":
		return symptom{"Name or service not known", "ERR_NAME_NOT_RESOLVED", "6"}
	case "EAI_AGAIN":
		return symptom{"Temporary failure in name resolution", "ERR_NAME_NOT_RESOLVED", "6"}
	case "EMSGSIZE":
		return symptom{"Message too long", "ERR_MSG_TOO_BIG", "7"}
	}
	return symptom{}
}

// errnoOf is the errno's name, or the one that an outcome stands for.
func errnoOf(o *verdict.Observation) string {
	if o.Errno != "" {
		return o.Errno
	}
	switch o.Outcome {
	case agents.Refused:
		return "ECONNREFUSED"
	case agents.TimedOut:
		return "ETIMEDOUT"
	case agents.HostUnreachable:
		return "EHOSTUNREACH"
	case agents.NetworkUnreachable:
		return "ENETUNREACH"
	case agents.Reset:
		return "ECONNRESET"
	case agents.Denied:
		return "EACCES"
	}
	return ""
}

// seenBy says what a person would have seen of a connection that did not come
// about.
func seenBy(o *verdict.Observation) string {
	s := symptomOf(errnoOf(o))
	if s.text == "" {
		return ""
	}
	if o.Deadline {
		return "Without that timeout a program would have waited for the kernel to give up and then reported \"" + s.text + "\"."
	}
	out := `A program reports "` + s.text + `"; curl exits with ` + s.curl
	if s.browser != "" {
		out += ", a browser shows " + s.browser
	}
	return out + "."
}

// seenOnOpen says what a person sees when a connection that stood is lost.
func seenOnOpen(o *verdict.Observation) string {
	s := symptomOf(errnoOf(o))
	if s.text == "" {
		return ""
	}
	return `A program's read or write reports "` + s.text + `".`
}
