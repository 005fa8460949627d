//! AES-256-GCM of KMS sessions, as in `aws/amazon-ssm-agent` `agent/session/crypto/blockcipher.go`: no associated data,
//! and a message is nonce, ciphertext, tag.

use aes_gcm::aead::Aead as _;
use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce};

const NONCE: usize = 12;

pub(super) struct Cipher {
    seal: Aes256Gcm,
    open: Aes256Gcm,
    /// Counts on from a random start: unlike random nonces, two of them never meet.
    nonce: u128,
}

impl Cipher {
    /// The first half of the data key is what the agent writes with, the second what the client writes with.
    pub(super) fn of_client(key: &[u8; 64], nonce_start: [u8; NONCE]) -> Self {
        let (agent, client) = halves(key);
        Self::new(&client, &agent, nonce_start)
    }

    pub(super) fn of_agent(key: &[u8; 64], nonce_start: [u8; NONCE]) -> Self {
        let (agent, client) = halves(key);
        Self::new(&agent, &client, nonce_start)
    }

    fn new(seal: &[u8; 32], open: &[u8; 32], nonce_start: [u8; NONCE]) -> Self {
        let mut nonce = [0; 16];
        nonce[..NONCE].copy_from_slice(&nonce_start);
        Self {
            seal: Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(seal)),
            open: Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(open)),
            nonce: u128::from_le_bytes(nonce),
        }
    }

    /// `None` only for a plaintext of more than 64 GiB.
    pub(super) fn seal(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&self.nonce.to_le_bytes()[..NONCE]);
        self.nonce = self.nonce.wrapping_add(1);
        let sealed = self.seal.encrypt(Nonce::from_slice(&nonce), plain).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// `None` if the bytes were not sealed by the other end.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.open.decrypt(Nonce::from_slice(nonce), sealed).ok()
    }
}

fn halves(key: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    first.copy_from_slice(&key[..32]);
    second.copy_from_slice(&key[32..]);
    (first, second)
}
