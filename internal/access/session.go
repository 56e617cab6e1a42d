package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// A session token holds all that a node has to know of temporary credentials,
// sealed with a secret that all nodes share: none of them keeps a list, and any of
// them takes what another has issued. What it must not hold is what an operator
// may change: the policy of a role, and whether the role or the user's key still
// exists, are looked up in the keys file each time.

// session is what a token holds.
type session struct {
	Key     string `json:"k"` // temporary access key
	Secret  string `json:"s"`
	Issued  int64  `json:"i"` // Unix seconds
	Expires int64  `json:"e"`
	Account string `json:"a"`

	// Exactly one of them: the name of the assumed role, or the long-term key whose
	// user asked for the session.
	Role   string `json:"r,omitempty"`
	Parent string `json:"u,omitempty"`

	Name      string            `json:"n,omitempty"` // of the role's session, or of the federated user
	Policy    string            `json:"p,omitempty"` // session policy, JSON
	Tags      map[string]string `json:"t,omitempty"`
	Source    string            `json:"o,omitempty"` // source identity
	Provider  string            `json:"f,omitempty"` // of a web identity
	Federated bool              `json:"d,omitempty"` // a federated user: Name, with the parent's rights
}

// sealer seals sessions into tokens. Each token has a key of its own, made of the
// secret and a random salt, so no number of tokens wears the cipher out.
type sealer struct{ secret []byte }

const (
	sealVersion = 1
	saltSize    = 16
	// maxToken bounds what is looked at, in characters, and what is given out.
	maxToken = 16 << 10
)

func (s *sealer) cipher(salt []byte) (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte("session token"))
	mac.Write(salt)
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s *sealer) seal(v *session) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	b := make([]byte, 1+saltSize, 1+saltSize+len(text)+16)
	b[0] = sealVersion
	rand.Read(b[1:]) // never fails
	aead, err := s.cipher(b[1:])
	if err != nil {
		return "", err
	}
	b = aead.Seal(b, make([]byte, aead.NonceSize()), text, b[:1])
	return base64.StdEncoding.EncodeToString(b), nil
}

func (s *sealer) open(token string) (*session, error) {
	if len(token) > maxToken {
		return nil, errors.New("too long")
	}
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(b) < 1+saltSize || b[0] != sealVersion {
		return nil, errors.New("not one of ours")
	}
	aead, err := s.cipher(b[1 : 1+saltSize])
	if err != nil {
		return nil, err
	}
	text, err := aead.Open(nil, make([]byte, aead.NonceSize()), b[1+saltSize:], b[:1])
	if err != nil {
		return nil, err
	}
	v := new(session)
	return v, json.Unmarshal(text, v)
}

// SetSecret gives the secret that session tokens are sealed with, at least 32
// bytes, the same on all nodes. Before it none are issued or taken.
func (a *Access) SetSecret(secret []byte) error {
	if len(secret) < 32 {
		return errors.New("access: the secret of sessions must have 32 bytes at least")
	}
	a.sealer.Store(&sealer{secret: append([]byte(nil), secret...)})
	return nil
}

// sessionOf finds who has the temporary credentials of a signature.
func (a *Access) sessionOf(s *signature) (holder, error) {
	sealer := a.sealer.Load()
	if sealer == nil {
		return holder{}, ErrInvalidToken
	}
	dir := a.dir.Load()
	known, ok := a.sessions.get(s.token, dir)
	if !ok {
		v, err := sealer.open(s.token)
		if err != nil {
			return holder{}, ErrInvalidToken
		}
		h, err := a.restore(dir, v)
		if err != nil {
			return holder{}, err
		}
		known = openSession{holder: h, key: v.Key, expires: time.Unix(v.Expires, 0), dir: dir}
		a.sessions.put(s.token, known)
	}
	switch {
	case s.key != known.key:
		return holder{}, ErrInvalidToken
	case !a.now().Before(known.expires):
		return holder{}, ErrExpiredToken
	}
	return known.holder, nil
}

// restore makes the principal of a session, with what the keys file says now.
func (a *Access) restore(dir *directory, v *session) (holder, error) {
	p := Principal{Account: v.Account, Key: v.Key}
	p.Session = &Session{
		Issued: time.Unix(v.Issued, 0), Expires: time.Unix(v.Expires, 0),
		Tags: v.Tags, SourceIdentity: v.Source, Provider: v.Provider,
	}
	switch {
	case v.Role != "":
		r := Role{Name: v.Role, Account: v.Account}
		arn := r.ARN()
		if known := dir.roles[arn]; known != nil {
			p.Policy = known.Policy
		} else if !a.open {
			return holder{}, ErrInvalidToken // the role was taken out of the keys file
		}
		p.Session.Role = arn
		p.ARN, p.UserID = sessionARN(&r, v.Name), uniqueID("AROA", r.Account, r.Name)+":"+v.Name
	case a.open:
		root := Root(v.Account)
		p.ARN, p.UserID = root.ARN, root.UserID
	default:
		parent, ok := dir.keys[v.Parent]
		if !ok || parent.principal.Account != v.Account { // taken out, or given to another account
			return holder{}, ErrInvalidToken
		}
		p.ARN, p.UserID, p.Policy = parent.principal.ARN, parent.principal.UserID, parent.principal.Policy
	}
	if v.Federated {
		p.ARN, p.UserID = "arn:aws:sts::"+v.Account+":federated-user/"+v.Name, v.Account+":"+v.Name
		p.Session.Policy = nothing // only what its own policy or a resource's allows
	}
	if v.Policy != "" {
		var err error
		if p.Session.Policy, err = ParsePolicy([]byte(v.Policy), Identity); err != nil {
			return holder{}, ErrInvalidToken
		}
	}
	return holder{secret: v.Secret, principal: p}, nil
}

// nothing is a policy that allows nothing.
var nothing = &Policy{kind: Identity}

// newKey makes a temporary access key: ASIA and 16 characters that hold the
// account and chance, so that the account of a key can be told.
func newKey(account string) string {
	n, _ := strconv.ParseUint(account, 10, 64) // twelve digits fit into 40 bits
	var b [10]byte
	binary.BigEndian.PutUint64(b[:], n<<24)
	rand.Read(b[5:])
	return "ASIA" + base32.StdEncoding.EncodeToString(b[:])
}

// keyAccount is the account of a key that newKey made.
func keyAccount(key string) (string, bool) {
	if len(key) != 20 || key[:4] != "ASIA" {
		return "", false
	}
	b, err := base32.StdEncoding.DecodeString(key[4:])
	if err != nil {
		return "", false
	}
	account := fmt.Sprintf("%012d", binary.BigEndian.Uint64(b[:8])>>24)
	return account, IsAccount(account)
}

// newSecret makes a secret of 40 characters, as AWS's are.
func newSecret() string {
	var b [30]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// maxOpenSessions bounds the tokens that are kept opened; at the bound they are
// opened anew, which costs some microseconds each.
const maxOpenSessions = 4096

// openSession is a token that was opened and found genuine.
type openSession struct {
	holder
	key     string
	expires time.Time
	dir     *directory // by which it was restored
}

// sessionCache keeps opened tokens. Only genuine ones get in, and none outlives
// the directory that it was restored by.
type sessionCache struct {
	mu   sync.RWMutex
	open map[string]openSession // by token; guarded by mu
}

func (c *sessionCache) get(token string, dir *directory) (openSession, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s, ok := c.open[token]
	return s, ok && s.dir == dir
}

func (c *sessionCache) put(token string, s openSession) {
	// The token is a part of a request's headers: keep a copy.
	token = string(append([]byte(nil), token...))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil || len(c.open) >= maxOpenSessions {
		c.open = make(map[string]openSession)
	}
	c.open[token] = s
}
