package blueskyfake

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

func (s *Server) createSession(w http.ResponseWriter, r *http.Request) {
	var in struct{ Identifier, Password, AuthFactorToken string }
	_ = json.NewDecoder(r.Body).Decode(&in) // an empty one does not match below
	switch {
	case in.Identifier != Handle && in.Identifier != DID || in.Password != Password:
		refuse(w, http.StatusUnauthorized, "AuthenticationRequired", "Invalid identifier or password")
	case s.Code != "" && in.AuthFactorToken == "":
		refuse(w, http.StatusUnauthorized, "AuthFactorTokenRequired", "A sign in code has been sent to your email address")
	case s.Code != "" && in.AuthFactorToken != s.Code:
		refuse(w, http.StatusBadRequest, "InvalidToken", "Token is invalid")
	default:
		s.openSession(w, r)
	}
}

func (s *Server) openSession(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	access, refresh := s.jwt(2*time.Hour), s.jwt(90*24*time.Hour)
	s.access[access], s.refresh[refresh] = s.now().Add(2*time.Hour), s.now().Add(90*24*time.Hour)
	answer(w, http.StatusOK, map[string]any{
		"accessJwt": access, "refreshJwt": refresh, "did": DID, "handle": Handle, "active": true,
		"didDoc": document(r),
	})
}

// jwt has the form of one and says when it ends; its signature is nobody's.
func (s *Server) jwt(life time.Duration) string {
	s.serial++
	claims := fmt.Sprintf(`{"sub":%q,"exp":%d,"jti":"%d"}`, DID, s.now().Add(life).Unix(), s.serial)
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmVk"
}

// refreshSession may be used twice: the server gives a grace period.
func (s *Server) refreshSession(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	until, known := s.refresh[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	expired := !s.now().Before(until)
	s.mu.Unlock()
	switch {
	case !known:
		refuse(w, http.StatusBadRequest, "InvalidToken", "Token could not be verified")
	case expired:
		refuse(w, http.StatusBadRequest, "ExpiredToken", "Token has expired")
	default:
		s.openSession(w, r)
	}
}

func (s *Server) getSession(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"did": DID, "handle": Handle, "active": true})
}

func (s *Server) resolveHandle(w http.ResponseWriter, r *http.Request) {
	did := map[string]string{Handle: DID, Bob: BobDID}[r.URL.Query().Get("handle")]
	if did == "" {
		refuse(w, http.StatusBadRequest, "InvalidRequest", "Unable to resolve handle")
		return
	}
	answer(w, http.StatusOK, map[string]string{"did": did})
}
