// Checkerboard: counts of overlap by kernel, stride and number of layers, looked up.
VIEWS.checkerboard = ({ k, s, d }, boards) => {
  const { counts, dispersion, least, most } = boards[`${k},${s},${d}`];
  const cell = (row, column) => {
    const [down, across] = [counts[row], counts[column]];
    return countCell(down * across, most ** 2, `${down} · ${across}`);
  };
  const label = `Overlap counts of kernel ${k}, stride ${s}, ${d} layers`;
  return {
    told: html`The stride ${s} ${k % s ? "does not divide" : "divides"} the kernel ${k}: on the plane an output is
painted <b>${least === most ? "" : `${least ** 2} to `}${most ** 2} times</b>, dispersion
<b>${dispersion.toFixed(3)}</b>.`,
    plane: grid(label, counts.length, counts.length, 21, cell),
  };
};
