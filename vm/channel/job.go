package channel

import (
	"bytes"
	"encoding/gob"
	"fmt"

	"testbed/vm"
)

// EncodeJob is the job as PutJob takes it.
func EncodeJob(j *vm.Job) ([]byte, error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(j); err != nil {
		return nil, fmt.Errorf("encode job: %w", err)
	}
	return b.Bytes(), nil
}

// DecodeJob reads what EncodeJob has written.
func DecodeJob(b []byte) (*vm.Job, error) {
	j := &vm.Job{}
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(j); err != nil {
		return nil, fmt.Errorf("decode job: %w", err)
	}
	return j, nil
}
