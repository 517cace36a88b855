/**
 * Integers of any type by a code: 0 int8, 1 uint8, 2 int16, 3 uint16, 4 int32, 5 uint32, 6 int64, 7 uint64; 8 is float32, cut to
 * an integer where it is read. src/ops/integer.ts knows the same codes.
 */
export function load_int(code: i32, p: usize): i64 {
  switch (code) {
    case 0: return load<i8>(p);
    case 1: return load<u8>(p);
    case 2: return load<i16>(p);
    case 3: return load<u16>(p);
    case 4: return load<i32>(p);
    case 5: return load<u32>(p);
    case 8: return <i64>load<f32>(p);
    default: return load<i64>(p);
  }
}

/** Bytes of one, as a shift. */
// @ts-ignore: decorator
@inline
export function shift_of(code: i32): i32 {
  return code == 8 ? 2 : code >> 1;
}

/** The low bits of `value`. */
export function store_int(code: i32, p: usize, value: i64): void {
  switch (code >> 1) {
    case 0: store<u8>(p, <u8>value); break;
    case 1: store<u16>(p, <u16>value); break;
    case 2: store<u32>(p, <u32>value); break;
    default: store<i64>(p, value);
  }
}
