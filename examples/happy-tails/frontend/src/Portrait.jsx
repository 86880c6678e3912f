// A drawn portrait by species; colours differ by pet so that a page of them looks alive.
const FACES = {
  dog: (
    <>
      <path d="M22 40c-8-2-12 18-4 24 5 3 9-4 10-12zM78 40c8-2 12 18 4 24-5 3-9-4-10-12z" opacity=".7" />
      <ellipse cx="50" cy="54" rx="26" ry="28" />
      <ellipse cx="50" cy="66" rx="13" ry="11" fill="#fff8" />
    </>
  ),
  cat: (
    <>
      <path d="M26 44 24 18l20 14zM74 44l2-26-20 14z" opacity=".7" />
      <ellipse cx="50" cy="54" rx="27" ry="25" />
    </>
  ),
  rabbit: (
    <>
      <ellipse cx="40" cy="24" rx="7" ry="20" opacity=".7" />
      <ellipse cx="60" cy="24" rx="7" ry="20" opacity=".7" />
      <ellipse cx="50" cy="60" rx="24" ry="23" />
    </>
  ),
  bird: (
    <>
      <path d="M44 22c4-10 14-8 12 2z" opacity=".7" />
      <circle cx="50" cy="54" r="26" />
      <path d="M44 60h12l-6 12z" fill="#f59e0b" />
    </>
  ),
  other: (
    <>
      <circle cx="30" cy="34" r="9" opacity=".7" />
      <circle cx="70" cy="34" r="9" opacity=".7" />
      <ellipse cx="50" cy="56" rx="30" ry="26" />
    </>
  ),
};

export default function Portrait({ kind, id }) {
  const hue = (id * 47) % 360;
  return (
    <svg className="portrait" viewBox="0 0 100 100" role="img" aria-label={kind} style={{ background: `hsl(${hue} 55% 90%)` }}>
      <g fill={`hsl(${(hue + 20) % 360} 45% 55%)`}>{FACES[kind] ?? FACES.other}</g>
      <g fill="#292524">
        <circle cx="40" cy="52" r="3.5" />
        <circle cx="60" cy="52" r="3.5" />
        {kind !== 'bird' && <ellipse cx="50" cy="62" rx="4" ry="3" />}
      </g>
    </svg>
  );
}
