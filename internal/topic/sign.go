package topic

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // for crypto.SHA1
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/waystation/waystation/internal/partition"
	"github.com/waystation/waystation/internal/registry"
)

// The signing key stands in the registry under this owner and name.
const (
	keyOwner = "waystation"
	keyName  = "1"
)

const (
	keyBits = 2048
	// keyYears is how long the certificate says that it is good for.
	keyYears = 20
)

// signer signs with the key that all nodes share, and remembers what it signed last: a
// signature takes milliseconds, and a message has many subscribers.
type signer struct {
	key         *rsa.PrivateKey
	certificate []byte // PEM
	name        string // of the certificate in addresses

	mu          sync.Mutex
	now, before map[signed]string // guarded by mu
}

// signed is what a signature was made of: a message is the same for all its subscribers.
type signed struct {
	id      partition.MessageID
	version byte
}

// maxSigned bounds each of the two generations of remembered signatures, of about 400
// bytes each: when one is full it takes the place of the one before.
const maxSigned = 4096

// loadSigner reads the key of the registry, and makes it if there is none.
func loadSigner(ctx context.Context, keys *registry.Table[registry.SigningKey], now time.Time) (*signer, error) {
	stored, ok := keys.Get(keyOwner, keyOwner, keyName)
	if !ok {
		made, err := newSigningKey(now)
		if err != nil {
			return nil, fmt.Errorf("topic: make a signing key: %w", err)
		}
		// Of several nodes that make one at once, all take the first.
		if stored, _, err = keys.Create(ctx, made, func(*registry.SigningKey) bool { return true }); err != nil {
			return nil, fmt.Errorf("topic: signing key: %w", err)
		}
	}
	return signerOf(stored)
}

func signerOf(stored *registry.SigningKey) (*signer, error) {
	key, err := x509.ParsePKCS1PrivateKey(stored.Key)
	if err != nil {
		return nil, fmt.Errorf("topic: read the signing key: %w", err)
	}
	sum := sha256.Sum256(stored.Certificate)
	return &signer{
		key: key, name: hex.EncodeToString(sum[:16]),
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: stored.Certificate}),
		now:         make(map[signed]string), before: make(map[signed]string),
	}, nil
}

func newSigningKey(now time.Time) (*registry.SigningKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Waystation notifications"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(keyYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &registry.SigningKey{
		Meta: registry.Meta{Account: keyOwner, Region: keyOwner, Name: keyName},
		Key:  x509.MarshalPKCS1PrivateKey(key), Certificate: certificate,
	}, nil
}

// sign gives the signature of a text in base64: SHA-1 with RSA for version 1, SHA-256
// for version 2.
// https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
func (s *signer) sign(version byte, text []byte) (string, error) {
	hash := crypto.SHA1
	if version == 2 {
		hash = crypto.SHA256
	}
	h := hash.New()
	h.Write(text)
	b, err := rsa.SignPKCS1v15(nil, s.key, hash, h.Sum(nil))
	return base64.StdEncoding.EncodeToString(b), err
}

// signOnce is sign for a message of that id, whose text is always the same.
func (s *signer) signOnce(version byte, id partition.MessageID, text func() []byte) (string, error) {
	of := signed{id, version}
	s.mu.Lock()
	known, ok := s.now[of]
	if !ok {
		known, ok = s.before[of]
	}
	s.mu.Unlock()
	if ok {
		return known, nil
	}
	made, err := s.sign(version, text())
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remember(of, made)
	return made, nil
}

// remember keeps a signature. Call with mu held.
func (s *signer) remember(of signed, signature string) {
	if len(s.now) >= maxSigned {
		s.now, s.before = make(map[signed]string), s.now
	}
	s.now[of] = signature
}
