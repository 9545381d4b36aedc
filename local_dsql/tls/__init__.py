"""TLS of the local cluster, with its own certificate authority, so that clients use verify-full."""

from local_dsql.tls.store import ALPN, CertificateStore

__all__ = ["ALPN", "CertificateStore"]
