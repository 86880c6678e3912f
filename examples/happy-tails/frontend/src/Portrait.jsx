// Drawn pets. "cat-ginger-marked" is a kind, a coat and whether it has markings; what is not said follows from
// the pet's number, so that every pet looks its own way and keeps looking so.
const COATS = {
  // coat, light parts, dark parts
  brown: ['#c98b4e', '#f3dcc0', '#8a5a2b'],
  gray: ['#8d8f98', '#e4e5ea', '#5d5f69'],
  black: ['#4a4543', '#cfc7c1', '#2c2827'],
  ginger: ['#e3994a', '#fdf0d8', '#b5702a'],
  chestnut: ['#a9714b', '#f0dfd0', '#6f4425'],
  sand: ['#d9c8ae', '#fffaf0', '#a8916d'],
  white: ['#f6f1ea', '#ffffff', '#b98a5a'],
  yellow: ['#f2c14e', '#fff3c9', '#d98e04'],
  green: ['#6fae6a', '#e8f4df', '#3f7a45'],
  blue: ['#7d9fd1', '#e6eefb', '#47689b'],
};
const FURS = ['brown', 'gray', 'black', 'ginger', 'chestnut', 'sand'];
const FEATHERS = ['yellow', 'green', 'blue'];
const SKIES = ['#fde8d3', '#e3eee0', '#e0ecf4', '#f6e3e3', '#ece6f5', '#fbf0cf'];

const eyes = (y, gap, r = 4) => (
  <g>
    {[60 - gap, 60 + gap].map((x) => (
      <g key={x}>
        <circle cx={x} cy={y} r={r} fill="#241f1c" />
        <circle cx={x + 1.3} cy={y - 1.5} r={r / 3} fill="#fff" />
      </g>
    ))}
  </g>
);

const mouth = (y) => (
  <path d={`M60 ${y}v4m0 0q-6 6-11 1m11-1q6 6 11 1`} fill="none" stroke="#241f1c" strokeWidth="1.8" strokeLinecap="round" />
);

const whiskers = (
  <path d="M36 66 20 62M36 71 20 73M84 66l16-4M84 71l16 2" stroke="#241f1c" strokeOpacity=".35" strokeWidth="1.4" strokeLinecap="round" />
);

const DRAW = {
  dog: ([coat, light, dark], mark) => (
    <>
      <path d="M22 128c2-26 18-36 38-36s36 10 38 36z" fill={coat} />
      <path d="M46 128c0-16 6-28 14-28s14 12 14 28z" fill={light} />
      <path d="M34 92h52l-4 9H38z" fill="#c2410c" />
      <circle cx="60" cy="103" r="5" fill="#fbbf24" />
      <ellipse cx="60" cy="58" rx="31" ry="33" fill={coat} />
      {mark && <ellipse cx="73" cy="50" rx="13" ry="16" fill={dark} opacity=".75" />}
      <path d="M33 34c-15-3-20 18-13 39 3 8 12 5 14-6zM87 34c15-3 20 18 13 39-3 8-12 5-14-6z" fill={dark} />
      <path d="M60 34c-5 12-6 22-19 38 0 14 9 21 19 21s19-7 19-21C66 56 65 46 60 34z" fill={light} />
      {eyes(55, 13)}
      <ellipse cx="60" cy="69" rx="7" ry="5" fill="#241f1c" />
      {mouth(74)}
      <path d="M56 81c0 9 8 9 8 0z" fill="#e8736f" />
    </>
  ),
  cat: ([coat, light, dark], mark) => (
    <>
      <path d="M24 128c2-30 18-46 36-46s34 16 36 46z" fill={coat} />
      <path d="M48 128c0-20 5-34 12-34s12 14 12 34z" fill={light} />
      <path d="M35 87q25 14 50 0l-2 9q-23 11-46 0z" fill="#2f6f73" />
      <circle cx="60" cy="99" r="4" fill="#fbbf24" />
      <path d="M31 56 29 22q1-4 5-1l21 18zM89 56l2-34q-1-4-5-1L65 39z" fill={coat} />
      <path d="m35 46-1-17 12 11zM85 46l1-17-12 11z" fill="#f0b6a8" />
      <ellipse cx="60" cy="62" rx="33" ry="29" fill={coat} />
      {mark && (
        <path d="M60 34v13M50 36l3 11M70 36l-3 11M28 62l9 2M92 62l-9 2M29 71l8-1M91 71l-8-1" stroke={dark} strokeWidth="4" strokeLinecap="round" />
      )}
      <ellipse cx="60" cy="73" rx="15" ry="11" fill={light} />
      <g>
        {[46, 74].map((x) => (
          <g key={x}>
            <ellipse cx={x} cy="59" rx="6" ry="6.5" fill="#9bbf5a" />
            <ellipse cx={x} cy="59" rx="2.4" ry="5.6" fill="#241f1c" />
            <circle cx={x + 1.5} cy="57" r="1.3" fill="#fff" />
          </g>
        ))}
      </g>
      <path d="M56 67h8l-4 4.5z" fill="#d9736b" />
      {mouth(71)}
      {whiskers}
    </>
  ),
  rabbit: ([coat, light, dark], mark) => (
    <>
      <ellipse cx="60" cy="122" rx="33" ry="26" fill={coat} />
      <ellipse cx="60" cy="126" rx="17" ry="20" fill={light} />
      <g transform={mark ? 'rotate(14 78 46)' : ''}>
        <ellipse cx="76" cy="28" rx="9.5" ry="27" fill={coat} />
        <ellipse cx="76" cy="30" rx="4.5" ry="20" fill="#f0b6a8" />
      </g>
      <g transform={mark ? 'rotate(-8 44 46)' : ''}>
        <ellipse cx="44" cy="28" rx="9.5" ry="27" fill={coat} />
        <ellipse cx="44" cy="30" rx="4.5" ry="20" fill="#f0b6a8" />
      </g>
      <ellipse cx="60" cy="70" rx="29" ry="27" fill={coat} />
      <path d="M60 45c-4 10-6 16-15 30 0 11 7 19 15 19s15-8 15-19C66 61 64 55 60 45z" fill={light} />
      {eyes(65, 16, 4.5)}
      <path d="M56 75h8l-4 4.5z" fill="#d9736b" />
      {mouth(79)}
      <path d="M56.5 88h3v6h-3zM60.5 88h3v6h-3z" fill="#fff" stroke={dark} strokeWidth=".6" />
      <g transform="translate(0 8)">{whiskers}</g>
    </>
  ),
  bird: ([coat, light, dark], mark) => (
    <>
      <path d="M8 112h104" stroke="#8a5a2b" strokeWidth="6" strokeLinecap="round" />
      <path d="M70 104 92 128H72z" fill={dark} />
      <ellipse cx="60" cy="80" rx="30" ry="33" fill={coat} />
      <ellipse cx="56" cy="88" rx="19" ry="23" fill={light} />
      <path d="M88 66c10 14 4 34-10 40-4-14-2-30 10-40z" fill={dark} />
      <circle cx="60" cy="46" r="26" fill={coat} />
      {mark ? (
        <path d="M58 22c-2-10 4-18 12-20-3 6-2 8 3 8-5 3-6 7-6 13z" fill={dark} />
      ) : (
        <path d="M44 24q16-10 32 0-16 5-32 0z" fill={light} />
      )}
      <circle cx="43" cy="54" r="6" fill="#ef8a62" opacity=".75" />
      <circle cx="77" cy="54" r="6" fill="#ef8a62" opacity=".75" />
      {eyes(45, 12)}
      <path d="M53 51h14l-7 13z" fill="#e08e0b" />
      <path d="M50 112v-5m6 5v-5m8 5v-5m6 5v-5" stroke="#e08e0b" strokeWidth="3.5" strokeLinecap="round" />
    </>
  ),
  other: ([coat, light, dark], mark) => (
    <>
      <ellipse cx="60" cy="112" rx="44" ry="34" fill={coat} />
      <ellipse cx="60" cy="120" rx="24" ry="24" fill={light} />
      <ellipse cx="31" cy="46" rx="11" ry="9" fill={dark} transform="rotate(-25 31 46)" />
      <ellipse cx="89" cy="46" rx="11" ry="9" fill={dark} transform="rotate(25 89 46)" />
      <ellipse cx="60" cy="68" rx="37" ry="32" fill={coat} />
      {mark && <path d="M28 52c6-14 18-17 28-16 2 18-6 34-26 38-5-7-5-15-2-22z" fill={dark} opacity=".8" />}
      <path d="M60 37c-5 12-5 20-12 34 0 16 6 26 12 26s12-10 12-26C65 57 65 49 60 37z" fill={light} />
      {eyes(62, 20, 4.5)}
      <ellipse cx="60" cy="76" rx="5" ry="3.5" fill="#d9736b" />
      {mouth(80)}
      <g transform="translate(0 8)">{whiskers}</g>
    </>
  ),
};

export function Family() {
  return (
    <svg className="family" viewBox="0 0 300 150" aria-hidden="true">
      <g transform="translate(24 42) scale(.84)">{DRAW.cat(COATS.ginger, true)}</g>
      <g transform="translate(170 42) scale(.84)">{DRAW.rabbit(COATS.sand, true)}</g>
      <g transform="translate(81 0) scale(1.17)">{DRAW.dog(COATS.brown, false)}</g>
    </svg>
  );
}

export default function Portrait({ look, id, name }) {
  const [kind, coat, marked] = look.split('-');
  const draw = DRAW[kind] ?? DRAW.other;
  const coats = kind === 'bird' ? FEATHERS : FURS;
  return (
    <svg
      className="portrait"
      viewBox="-40 0 200 128"
      preserveAspectRatio="xMidYMax slice"
      role="img"
      aria-label={`${name}, a drawing`}
    >
      <rect x="-40" width="200" height="128" fill={SKIES[(id * 5) % SKIES.length]} />
      <circle cx="60" cy="66" r="58" fill="#fff" opacity=".4" />
      {draw(COATS[coat] ?? COATS[coats[id % coats.length]], coat ? marked === 'marked' : id % 2 === 1)}
    </svg>
  );
}
