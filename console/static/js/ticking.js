// every(ms, act): act at whole multiples of ms, until the returned function is called.
export function every(ms, act) {
  let timer = 0;
  const next = () => {
    timer = setTimeout(() => {
      act();
      next();
    }, ms - (Date.now() % ms));
  };
  next();
  return () => clearTimeout(timer);
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
