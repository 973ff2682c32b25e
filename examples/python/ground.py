"""Finds things in a picture: python3 ground.py CHECKPOINT PICTURE PHRASE..."""
import sys

import la


def main(model, picture, *phrases):
    with la.Session(model) as session:
        image = session.encode(picture)
        for answer in session.batch((image, phrase) for phrase in phrases):
            for item in answer:
                if item.box:
                    print(f"{item.label}: box", *(f"{x:.1f}" for x in item.box), f"score {item.score:.3f}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(f"usage: {sys.argv[0]} CHECKPOINT PICTURE PHRASE...")
    try:
        main(*sys.argv[1:])
    except (la.Error, MemoryError) as error:
        sys.exit(str(error))
