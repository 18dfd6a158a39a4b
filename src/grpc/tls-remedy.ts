/** What to do where TLS is the reason that a runtime does not answer; `undefined`: it is not, as far as the failure tells. */
export function tlsRemedy(failure: string): string | undefined {
  if (/certificate|altnames/i.test(failure))
    return "say --ca FILE of the authority that its certificate is from, or --insecure to take any";
  if (/wrong version number|packet length too long|EPROTO/i.test(failure))
    return "it does not speak TLS there; leave out https://, --ca and --insecure";
  if (/ended the connection|ECONNRESET|socket hang up/.test(failure))
    return "if it speaks TLS there, say --address https://host:port, or --ca or --insecure";
  return undefined;
}
