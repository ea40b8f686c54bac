package blueskyfake

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

func (s *Server) getRecord(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record := s.byKey(r.URL.Query().Get("rkey"))
	if record == nil || r.URL.Query().Get("repo") != DID {
		refuse(w, http.StatusBadRequest, "RecordNotFound", "Could not locate record")
		return
	}
	answer(w, http.StatusOK, map[string]any{"uri": record.URI, "cid": record.CID, "value": record.Value})
}

// listRecords answers two at a time, the greatest key first.
func (s *Server) listRecords(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := r.URL.Query().Get("cursor")
	sorted := slices.Clone(s.records)
	slices.SortFunc(sorted, func(a, b *Record) int { return strings.Compare(b.Key, a.Key) })
	page := map[string]any{}
	list := []any{}
	for _, one := range sorted {
		if after != "" && one.Key >= after {
			continue
		}
		if len(list) == 2 {
			break
		}
		list = append(list, map[string]any{"uri": one.URI, "cid": one.CID, "value": one.Value})
		page["cursor"] = one.Key
	}
	page["records"] = list
	answer(w, http.StatusOK, page)
}

func (s *Server) byKey(key string) *Record {
	for _, r := range s.records {
		if r.Key == key {
			return r
		}
	}
	return nil
}

func (s *Server) getPosts(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	posts := []any{}
	query, _ := url.ParseQuery(r.URL.RawQuery) // what cannot be read is not asked for
	for _, uri := range query["uris"] {
		for _, record := range s.records {
			if record.URI == uri {
				age := int(s.now().Sub(record.At).Minutes())
				posts = append(posts, map[string]any{"uri": uri, "cid": record.CID, "likeCount": age, "repostCount": age / 4, "replyCount": 0})
			}
		}
	}
	answer(w, http.StatusOK, map[string]any{"posts": posts})
}

func (s *Server) getProfile(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"did": DID, "handle": Handle, "displayName": "Ann"})
}
