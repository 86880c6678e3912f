// What every page is made of: a title that is also the window's and gets the focus, so that a screen reader
// says where one has come to; and kind words while waiting and when something fails.
import { Component, useEffect, useRef } from 'react';

let arrived = false; // after a page load the browser itself says where one is

export function Title({ children, text = children, className }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = text === 'Happy Tails' ? text : `${text} · Happy Tails`;
    if (arrived) {
      heading.current?.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    arrived = true;
  }, [text]);
  return (
    <h1 ref={heading} tabIndex={-1} className={className}>
      {children}
    </h1>
  );
}

export function Problem({ children, again }) {
  return (
    <div className="problem" role="alert">
      <p>{children}</p>
      {again && (
        <button type="button" className="quiet" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

export const Waiting = () => (
  <p className="dim" role="status">
    Loading…
  </p>
);

// Something is broken in the page itself: say so instead of showing nothing.
export class Safety extends Component {
  state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main>
        <h1>Oh no</h1>
        <Problem again={() => window.location.assign('/')}>This page stumbled over its own paws.</Problem>
      </main>
    );
  }
}
