// The shares and surfaces as the page names and colours them, always in this order.

export const SHARES = ["learned", "holdout", "explore"];
export const SURFACES = ["artwork", "rows"];

export const SHARE_NAMES = { learned: "learned", holdout: "holdout", explore: "random" };
export const SHARE_COLOURS = {
  learned: "--series-1",
  holdout: "--series-2",
  explore: "--series-3",
};
/** Told apart without colours, too. */
export const SHARE_DASHES = { learned: [], holdout: [7, 4], explore: [2, 3] };
export const SURFACE_NAMES = { artwork: "Artwork", rows: "Rows" };
