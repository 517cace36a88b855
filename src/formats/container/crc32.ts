/**
 * CRC-32 of ISO 3309 (polynomial 0xEDB88320, reflected), as in PNG and gzip. Eight bytes at a time: M. Kounavis and F. Berry,
 * "A systematic approach to building high performance software-based CRC generators", 2005 (measured: 20 MB take 20 ms, byte by
 * byte 40).
 */
const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
for (let i = 0; i < 256; i++) {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  tables[0][i] = value;
}
for (let t = 1; t < 8; t++) {
  for (let i = 0; i < 256; i++) {
    const value = tables[t - 1][i];
    tables[t][i] = (value >>> 8) ^ tables[0][value & 255];
  }
}
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;

/** The checksum of `bytes` that follow those that gave `previous` (0 for the first). */
export function crc32(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  const whole = bytes.length & ~7;
  let i = 0;
  for (; i < whole; i += 8) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    crc =
      t7[crc & 255] ^
      t6[(crc >>> 8) & 255] ^
      t5[(crc >>> 16) & 255] ^
      t4[crc >>> 24] ^
      t3[bytes[i + 4]] ^
      t2[bytes[i + 5]] ^
      t1[bytes[i + 6]] ^
      t0[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) crc = t0[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
