/**
 * CRC-32 of ISO 3309 (polynomial 0xEDB88320, reflected), as in PNG and gzip: D. Sarwate, "Computation of CRCs by table
 * look-up", 1988.
 */
const table = new Uint32Array(256).map((_, i) => {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** The checksum of `bytes` that follow those that gave `previous` (0 for the first). */
export function crc32(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
