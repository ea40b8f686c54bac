package blueskyfake

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/faulty"
)

// before meets a trouble that comes before a write is read.
func (s *Server) before(w http.ResponseWriter, trouble faulty.Trouble) bool {
	switch trouble {
	case faulty.ResetBefore:
		faulty.HangUp(w, true)
	case faulty.Limit:
		w.Header().Set("RateLimit-Reset", strconv.FormatInt(time.Now().Add(90*time.Second).Unix(), 10))
		refuse(w, http.StatusTooManyRequests, "RateLimitExceeded", "Rate Limit Exceeded")
	case faulty.Expire:
		refuse(w, http.StatusBadRequest, "ExpiredToken", "Token has expired")
	default:
		return false
	}
	return true
}

func (s *Server) putRecord(w http.ResponseWriter, r *http.Request) {
	trouble := s.queue.Take()
	if s.before(w, trouble) {
		return
	}
	in, ok := readWrite(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	record, fresh, name, message := s.put(in)
	s.mu.Unlock()
	switch {
	case name != "":
		refuse(w, http.StatusBadRequest, name, message)
	case !faulty.Answer(w, r, trouble):
		answerWrite(w, record, fresh)
	}
}

// readWrite tells an absent swapRecord from null, which mean different things.
func readWrite(w http.ResponseWriter, r *http.Request) (write, bool) {
	var in write
	var fields map[string]json.RawMessage
	err := json.NewDecoder(r.Body).Decode(&fields)
	for name, into := range map[string]any{"repo": &in.Repo, "collection": &in.Collection, "rkey": &in.RKey, "record": &in.Record} {
		if err == nil && fields[name] != nil {
			err = json.Unmarshal(fields[name], into)
		}
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "Input must be valid JSON")
		return in, false
	}
	in.SwapRecord = fields["swapRecord"]
	return in, true
}

// put creates, does nothing, replaces, or refuses. fresh is false for nothing.
func (s *Server) put(in write) (record *Record, fresh bool, name, message string) {
	if name, message = s.check(in); name != "" {
		return nil, false, name, message
	}
	raw, _ := json.Marshal(in.Record) // it was JSON a moment ago
	cid := cidOf("bafyrei", raw)
	known := s.byKey(in.RKey)
	switch {
	case known == nil:
		record = &Record{Key: in.RKey, URI: "at://" + DID + "/" + in.Collection + "/" + in.RKey}
		s.records = append(s.records, record)
	case known.CID == cid:
		return known, false, "", ""
	case string(in.SwapRecord) == "null":
		return nil, false, "InvalidSwap", "Record was at " + known.CID
	default:
		record = known
	}
	record.CID, record.Value, record.At = cid, in.Record, s.now()
	return record, true, "", ""
}

func (s *Server) createRecord(w http.ResponseWriter, r *http.Request) {
	trouble := s.queue.Take()
	if s.before(w, trouble) {
		return
	}
	in, ok := readWrite(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	exists := s.byKey(in.RKey) != nil
	var record *Record
	var name, message string
	if !exists {
		record, _, name, message = s.put(in)
	}
	s.mu.Unlock()
	switch {
	case exists:
		refuse(w, http.StatusInternalServerError, "InternalServerError", "Internal Server Error")
	case name != "":
		refuse(w, http.StatusBadRequest, name, message)
	case !faulty.Answer(w, r, trouble):
		answerWrite(w, record, true)
	}
}

func answerWrite(w http.ResponseWriter, record *Record, fresh bool) {
	body := map[string]any{"uri": record.URI, "cid": record.CID, "validationStatus": "valid"}
	if fresh {
		body["commit"] = map[string]string{"cid": record.CID, "rev": record.Key}
	}
	answer(w, http.StatusOK, body)
}
